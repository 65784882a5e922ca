/** The unrelated and the small: each shows another way in which models hold their weights. */
import { convolution, imageClassifier, relu } from './convolution';
import { GraphBuilder, type ModelDefinition } from './graph-builder';

/** Three fully connected layers over `[batch, inputs]`: the smallest model with weights worth sharing. */
export function perceptron(name: string, { inputs = 64, hidden = 256, labels = 10, seed = 1 } = {}): ModelDefinition {
  const builder = new GraphBuilder(name, seed);
  const features = builder.input({ name: 'features', type: 'float32', dims: ['batch', inputs], bound: 1 });
  const first = relu(builder, 'first.relu', builder.linear('first', features, inputs, hidden));
  const second = relu(builder, 'second.relu', builder.linear('second', first, hidden, hidden));
  builder.linear('logits', second, hidden, labels);
  builder.output('logits', ['batch', labels]);
  return builder.finish();
}

/** Four strided convolutions over `[batch, 3, size, size]`: convolution weights, no residuals. */
export function convnet(name: string, { imageSize = 64, width = 32, labels = 10, seed = 1 } = {}): ModelDefinition {
  const builder = new GraphBuilder(name, seed);
  let stream = builder.input({ name: 'image', type: 'float32', dims: ['batch', 3, imageSize, imageSize], bound: 2 });
  let inputs = 3;
  for (let layer = 0; layer < 4; layer += 1) {
    const outputs = width * 2 ** layer;
    const normed = convolution(builder, `conv${layer}`, stream, { inputs, outputs, kernel: 3, stride: 2 });
    stream = relu(builder, `conv${layer}.relu`, normed);
    inputs = outputs;
  }
  imageClassifier(builder, stream, inputs, labels);
  return builder.finish();
}

/**
 * Text classification by convolutions of widths 3, 4 and 5 over token embeddings (Kim 2014): `[batch, sequence]` int64
 * token ids to `[batch, labels]`. Nearly all of its weights are an embedding table, which no kernel packs.
 */
export function textCnn(
  name: string,
  { vocabulary = 20_000, width = 128, filters = 100, sequence = 64, labels = 5, seed = 1 } = {},
): ModelDefinition {
  const builder = new GraphBuilder(name, seed);
  const tokens = builder.input({ name: 'tokens', type: 'int64', dims: ['batch', sequence], bound: vocabulary });
  const table = builder.weight('embedding', [vocabulary, width], { center: 0, limit: 1 });
  const embedded = builder.node('embedded', 'Gather', [table, tokens], { axis: 0 });
  const channels = builder.node('channels', 'Transpose', [embedded], { perm: [0, 2, 1] });
  const features = [3, 4, 5].map((kernel) => {
    const weight = builder.matrix(`conv${kernel}.weight`, [filters, width, kernel], width * kernel);
    const bias = builder.bias(`conv${kernel}.bias`, filters);
    const convolved = builder.node(`conv${kernel}`, 'Conv', [channels, weight, bias], { kernel_shape: [kernel] });
    return builder.node(`conv${kernel}.pool`, 'GlobalMaxPool', [relu(builder, `conv${kernel}.relu`, convolved)]);
  });
  const joined = builder.node('joined', 'Concat', features, { axis: 1 });
  const flat = builder.node('flat', 'Flatten', [joined], { axis: 1 });
  builder.linear('logits', flat, 3 * filters, labels);
  builder.output('logits', ['batch', labels]);
  return builder.finish();
}

/** One LSTM layer over `[batch, sequence, inputs]` and a head on its last state: recurrent weights. */
export function lstm(
  name: string,
  { inputs = 64, hidden = 256, sequence = 'sequence', labels = 10, seed = 1 } = {},
): ModelDefinition {
  const builder = new GraphBuilder(name, seed);
  const features = builder.input({ name: 'features', type: 'float32', dims: ['batch', sequence, inputs], bound: 1 });
  const steps = builder.node('steps', 'Transpose', [features], { perm: [1, 0, 2] });
  const weights = builder.matrix('lstm.weights', [1, 4 * hidden, inputs], inputs);
  const recurrence = builder.matrix('lstm.recurrence', [1, 4 * hidden, hidden], hidden);
  const bias = builder.weight('lstm.bias', [1, 8 * hidden], { center: 0, limit: 0.05 });
  const last = builder.node('lstm', 'LSTM', [steps, weights, recurrence, bias], { hidden_size: hidden }, [
    '',
    'lstm.last',
  ]);
  const state = builder.node('state', 'Squeeze', [last, builder.constant('axis.direction', [0])]);
  builder.linear('logits', state, hidden, labels);
  builder.output('logits', ['batch', labels]);
  return builder.finish();
}
