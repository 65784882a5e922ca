import { convolution, imageClassifier, relu } from './convolution';
import { GraphBuilder, type ModelDefinition } from './graph-builder';

export interface ResnetOptions {
  /** Bottleneck blocks of each stage; ResNet-50's by default. @default [3, 4, 6, 3] */
  stages?: readonly number[];
  /** Channels of the stem; the last stage has 32 times as many. @default 64 */
  width?: number;
  /** Pixels of a side. @default 224 */
  imageSize?: number;
  /** @default 1000 */
  labels?: number;
  /** @default 1 */
  seed?: number;
}

/**
 * A residual network of bottleneck blocks: `[batch, 3, size, size]` to `[batch, labels]`. The defaults are ResNet-50,
 * 102 MB.
 */
export function resnet(name: string, options: ResnetOptions = {}): ModelDefinition {
  const { stages = [3, 4, 6, 3], width = 64, imageSize = 224, labels = 1000, seed = 1 } = options;
  const builder = new GraphBuilder(name, seed);
  const image = builder.input({ name: 'image', type: 'float32', dims: ['batch', 3, imageSize, imageSize], bound: 2 });
  const stem = relu(
    builder,
    'stem.relu',
    convolution(builder, 'stem', image, { inputs: 3, outputs: width, kernel: 7, stride: 2 }),
  );
  let stream = builder.node('stem.pool', 'MaxPool', [stem], {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
  });
  let channels = width;
  stages.forEach((blocks, stage) => {
    const inner = width * 2 ** stage;
    for (let block = 0; block < blocks; block += 1) {
      const stride = stage > 0 && block === 0 ? 2 : 1;
      stream = bottleneck(builder, `stage${stage}.block${block}`, stream, { channels, inner, stride });
      channels = 4 * inner;
    }
  });
  imageClassifier(builder, stream, channels, labels);
  return builder.finish();
}

/** 1x1 down, 3x3, 1x1 up, added to the input, which is projected where its shape differs. */
function bottleneck(
  builder: GraphBuilder,
  name: string,
  input: string,
  { channels, inner, stride }: { channels: number; inner: number; stride: number },
): string {
  const outputs = 4 * inner;
  const down = convolution(builder, `${name}.down`, input, { inputs: channels, outputs: inner, kernel: 1 });
  const middle = convolution(builder, `${name}.middle`, relu(builder, `${name}.down.relu`, down), {
    inputs: inner,
    outputs: inner,
    kernel: 3,
    stride,
  });
  const up = convolution(builder, `${name}.up`, relu(builder, `${name}.middle.relu`, middle), {
    inputs: inner,
    outputs,
    kernel: 1,
    gain: 0.3,
  });
  const identity = channels === outputs && stride === 1;
  const residual = identity
    ? input
    : convolution(builder, `${name}.project`, input, { inputs: channels, outputs, kernel: 1, stride, gain: 0.7 });
  return relu(builder, `${name}.relu`, builder.node(`${name}.sum`, 'Add', [up, residual]));
}
