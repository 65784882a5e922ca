import { relu } from './convolution';
import { GraphBuilder, type ModelDefinition } from './graph-builder';

/**
 * AlexNet (Krizhevsky 2012, in the single-column form of 2014) over `[batch, 3, 224, 224]`: five convolutions, then
 * three dense layers that hold 94 % of its 244 MB. Reading those costs as much for one image as for a batch.
 */
export function alexnet(name: string, { hidden = 4096, labels = 1000, seed = 1 } = {}): ModelDefinition {
  const builder = new GraphBuilder(name, seed);
  let stream = builder.input({ name: 'image', type: 'float32', dims: ['batch', 3, 224, 224], bound: 2 });
  for (const [at, { inputs, outputs, kernel, stride, padding, pooled }] of LAYERS.entries()) {
    // ReLU halves the variance, hence half the fan-in.
    const weight = builder.matrix(`conv${at}.weight`, [outputs, inputs, kernel, kernel], (inputs * kernel ** 2) / 2);
    const convolved = builder.node(`conv${at}`, 'Conv', [stream, weight, builder.bias(`conv${at}.bias`, outputs)], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [padding, padding, padding, padding],
    });
    stream = relu(builder, `conv${at}.relu`, convolved);
    if (pooled) stream = builder.node(`pool${at}`, 'MaxPool', [stream], { kernel_shape: [3, 3], strides: [2, 2] });
  }
  const flat = builder.node('flat', 'Flatten', [stream], { axis: 1 });
  const first = relu(builder, 'dense0.relu', builder.linear('dense0', flat, 256 * 6 * 6, hidden));
  const second = relu(builder, 'dense1.relu', builder.linear('dense1', first, hidden, hidden));
  builder.linear('logits', second, hidden, labels);
  builder.output('logits', ['batch', labels]);
  return builder.finish();
}

const LAYERS = [
  { inputs: 3, outputs: 64, kernel: 11, stride: 4, padding: 2, pooled: true },
  { inputs: 64, outputs: 192, kernel: 5, stride: 1, padding: 2, pooled: true },
  { inputs: 192, outputs: 384, kernel: 3, stride: 1, padding: 1, pooled: false },
  { inputs: 384, outputs: 256, kernel: 3, stride: 1, padding: 1, pooled: false },
  { inputs: 256, outputs: 256, kernel: 3, stride: 1, padding: 1, pooled: true },
] as const;
