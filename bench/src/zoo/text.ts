import { GraphBuilder, type ModelDefinition } from '../models/graph-builder';
import { relu } from '../models/convolution';
import { encoderLayer } from '../models/transformer';
import { declareShapes } from '../models/transformer-parts';

/**
 * DSSM (Huang 2013): a query and a document `[batch, trigrams]`, each through three dense layers of its own, to the
 * cosine of the two, `[batch, 1]`. 6.3 million weights.
 */
export function dssm(name: string, { trigrams = 10_000, hidden = 300, outputs = 128, seed = 1 } = {}): ModelDefinition {
  const builder = new GraphBuilder(name, seed);
  builder.constant('axis.features', [1]);
  const [query, document] = ['query', 'document'].map((side) => {
    const features = builder.input({ name: side, type: 'float32', dims: ['batch', trigrams], bound: 1 });
    const sizes = [trigrams, hidden, hidden, outputs];
    const vector = sizes.slice(1).reduce((stream, size, at) => {
      const layer = `${side}.dense${at}`;
      return builder.node(`${layer}.tanh`, 'Tanh', [builder.linear(layer, stream, sizes[at] ?? size, size)]);
    }, features);
    const length = builder.node(`${side}.length`, 'ReduceL2', [vector], { axes: [1], keepdims: 1 });
    return builder.node(`${side}.unit`, 'Div', [vector, length]);
  }) as [string, string];
  const product = builder.node('product', 'Mul', [query, document]);
  builder.node('similarity', 'ReduceSum', [product, 'axis.features'], { keepdims: 1 });
  builder.output('similarity', ['batch', 1]);
  return builder.finish();
}

/**
 * A sentence encoder like the Universal Sentence Encoder (Cer 2018): tokens `[batch, sequence]` to unit vectors
 * `[batch, hidden]`. Nine tenths of its 240 million weights are a table of embeddings.
 */
export function sentenceEncoder(
  name: string,
  { vocabulary = 440_000, hidden = 512, layers = 6, heads = 8, sequence = 32, seed = 1 } = {},
): ModelDefinition {
  const builder = new GraphBuilder(name, seed);
  const sizes = { hidden, heads, feedForward: 4 * hidden };
  declareShapes(builder, sizes);
  const tokens = builder.input({ name: 'tokens', type: 'int64', dims: ['batch', sequence], bound: vocabulary });
  const table = builder.weight('embedding', [vocabulary, hidden], { center: 0, limit: 1.7 });
  let stream = builder.node('embedded', 'Gather', [table, tokens], { axis: 0 });
  for (let layer = 0; layer < layers; layer += 1) stream = encoderLayer(builder, `layer${layer}`, stream, sizes);
  const mean = builder.node('mean', 'ReduceMean', [stream], { axes: [1], keepdims: 0 });
  const length = builder.node('length', 'ReduceL2', [mean], { axes: [1], keepdims: 1 });
  builder.node('sentence', 'Div', [mean, length]);
  builder.output('sentence', ['batch', hidden]);
  return builder.finish();
}

/**
 * Speech to text like Deep Speech (Hannun 2014): frames `[batch, time, features]` to letters `[batch, time, 29]`; three
 * dense layers, an LSTM, two dense layers. 47 million weights.
 */
export function speechToText(
  name: string,
  { features = 494, hidden = 2048, time = 16, letters = 29, seed = 1 } = {},
): ModelDefinition {
  const builder = new GraphBuilder(name, seed);
  const dense = (layer: string, input: string, inputs: number): string =>
    relu(builder, `${layer}.relu`, builder.linear(layer, input, inputs, hidden));
  const frames = builder.input({ name: 'frames', type: 'float32', dims: ['batch', time, features], bound: 1 });
  const before = ['dense0', 'dense1', 'dense2'].reduce(
    (stream, layer, at) => dense(layer, stream, at === 0 ? features : hidden),
    frames,
  );
  const steps = builder.node('steps', 'Transpose', [before], { perm: [1, 0, 2] });
  const weights = builder.matrix('lstm.weights', [1, 4 * hidden, hidden], hidden);
  const recurrence = builder.matrix('lstm.recurrence', [1, 4 * hidden, hidden], hidden);
  const bias = builder.weight('lstm.bias', [1, 8 * hidden], { center: 0, limit: 0.05 });
  const states = builder.node('lstm', 'LSTM', [steps, weights, recurrence, bias], { hidden_size: hidden });
  const joined = builder.node('states', 'Squeeze', [states, builder.constant('axis.direction', [1])]);
  const after = dense('dense3', builder.node('ordered', 'Transpose', [joined], { perm: [1, 0, 2] }), hidden);
  builder.linear('letters', after, hidden, letters);
  builder.output('letters', ['batch', time, letters]);
  return builder.finish();
}
