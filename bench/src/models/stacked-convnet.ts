import { relu } from './convolution';
import { GraphBuilder, type ModelDefinition } from './graph-builder';

/** A convolution with bias and ReLU, and whether the image is halved after it. */
export interface ConvolutionLayer {
  inputs: number;
  outputs: number;
  kernel: number;
  stride: number;
  padding: number;
  pooled: boolean;
}

export interface StackedConvnetOptions {
  layers: readonly ConvolutionLayer[];
  /** Side of the window of max pooling, which moves by 2. */
  pool: number;
  /** Side of the image after the last layer. */
  pixels: number;
  /** Width of the two hidden dense layers. @default 4096 */
  hidden?: number;
  /** @default 1000 */
  labels?: number;
  /** @default 1 */
  seed?: number;
}

/** Convolutions one after the other over `[batch, 3, 224, 224]`, then three dense layers: what came before residuals. */
export function stackedConvnet(
  name: string,
  { layers, pool, pixels, hidden = 4096, labels = 1000, seed = 1 }: StackedConvnetOptions,
): ModelDefinition {
  const builder = new GraphBuilder(name, seed);
  let stream = builder.input({ name: 'image', type: 'float32', dims: ['batch', 3, 224, 224], bound: 2 });
  let channels = 3;
  for (const [at, { inputs, outputs, kernel, stride, padding, pooled }] of layers.entries()) {
    // ReLU halves the variance, hence half the fan-in.
    const weight = builder.matrix(`conv${at}.weight`, [outputs, inputs, kernel, kernel], (inputs * kernel ** 2) / 2);
    const convolved = builder.node(`conv${at}`, 'Conv', [stream, weight, builder.bias(`conv${at}.bias`, outputs)], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [padding, padding, padding, padding],
    });
    stream = relu(builder, `conv${at}.relu`, convolved);
    const window = { kernel_shape: [pool, pool], strides: [2, 2] };
    if (pooled) stream = builder.node(`pool${at}`, 'MaxPool', [stream], window);
    channels = outputs;
  }
  const flat = builder.node('flat', 'Flatten', [stream], { axis: 1 });
  const first = relu(builder, 'dense0.relu', builder.linear('dense0', flat, channels * pixels ** 2, hidden));
  const second = relu(builder, 'dense1.relu', builder.linear('dense1', first, hidden, hidden));
  builder.linear('logits', second, hidden, labels);
  builder.output('logits', ['batch', labels]);
  return builder.finish();
}
