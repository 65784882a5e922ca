import { imageClassifier, relu } from '../models/convolution';
import { GraphBuilder, type ModelDefinition } from '../models/graph-builder';

export interface BigTransferOptions {
  /** Bottleneck blocks of each stage. */
  stages: readonly number[];
  /** Times as many channels as a ResNet has. */
  times: number;
  /** @default 1000 */
  labels?: number;
  /** Pixels of a side; wide networks take seconds for 224. @default 96 */
  imageSize?: number;
  /** @default 1 */
  seed?: number;
}

/** Channels that are normalized together: 32 groups. */
const GROUPS = 32;

/**
 * Big Transfer (Kolesnikov 2020): a residual network of the second kind, many times as wide, with group normalization
 * before each convolution; `[batch, 3, size, size]` to `[batch, labels]`. Weights are standardized already, as an
 * exporter leaves them.
 */
export function bigTransfer(name: string, options: BigTransferOptions): ModelDefinition {
  const { stages, times, labels = 1000, imageSize = 96, seed = 1 } = options;
  const builder = new GraphBuilder(name, seed);
  builder.constant('groups.shape', [0, GROUPS, -1]);
  builder.weight('groups.scale', [GROUPS], { center: 1, limit: 0 });
  builder.weight('groups.shift', [GROUPS], { center: 0, limit: 0 });
  const image = builder.input({ name: 'image', type: 'float32', dims: ['batch', 3, imageSize, imageSize], bound: 2 });
  let channels = 64 * times;
  const stem = convolved(builder, 'stem', image, { inputs: 3, outputs: channels, kernel: 7, stride: 2 });
  const pool = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] };
  let stream = builder.node('stem.pool', 'MaxPool', [stem], pool);
  for (const [stage, blocks] of stages.entries()) {
    const inner = 64 * times * 2 ** stage;
    for (let block = 0; block < blocks; block += 1) {
      const stride = stage > 0 && block === 0 ? 2 : 1;
      stream = bottleneck(builder, `stage${stage}.${block}`, stream, { channels, inner, stride });
      channels = 4 * inner;
    }
  }
  imageClassifier(builder, normalized(builder, 'last', stream, channels), channels, labels);
  return builder.finish();
}

function bottleneck(
  builder: GraphBuilder,
  name: string,
  input: string,
  { channels, inner, stride }: { channels: number; inner: number; stride: number },
): string {
  const first = normalized(builder, `${name}.first`, input, channels);
  const outputs = 4 * inner;
  const down = convolved(builder, `${name}.down`, first, { inputs: channels, outputs: inner, kernel: 1 });
  const second = normalized(builder, `${name}.second`, down, inner);
  const middle = convolved(builder, `${name}.middle`, second, { inputs: inner, outputs: inner, kernel: 3, stride });
  const third = normalized(builder, `${name}.third`, middle, inner);
  const up = convolved(builder, `${name}.up`, third, { inputs: inner, outputs, kernel: 1 });
  const alike = channels === outputs && stride === 1;
  const identity = alike
    ? input
    : convolved(builder, `${name}.project`, first, { inputs: channels, outputs, kernel: 1, stride });
  return builder.node(name, 'Add', [up, identity]);
}

function convolved(
  builder: GraphBuilder,
  name: string,
  input: string,
  { inputs, outputs, kernel, stride = 1 }: { inputs: number; outputs: number; kernel: number; stride?: number },
): string {
  const padding = (kernel - 1) / 2;
  const weight = builder.matrix(`${name}.weight`, [outputs, inputs, kernel, kernel], (inputs * kernel ** 2) / 2);
  return builder.node(`${name}.conv`, 'Conv', [input, weight], {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [padding, padding, padding, padding],
  });
}

/** Group normalization, in the operators that the operator set has for it, and ReLU. */
function normalized(builder: GraphBuilder, name: string, input: string, channels: number): string {
  const grouped = builder.node(`${name}.grouped`, 'Reshape', [input, 'groups.shape']);
  const even = builder.node(`${name}.even`, 'InstanceNormalization', [grouped, 'groups.scale', 'groups.shift']);
  const shape = builder.node(`${name}.shape`, 'Shape', [input]);
  const shaped = builder.node(`${name}.shaped`, 'Reshape', [even, shape]);
  const scale = builder.weight(`${name}.scale`, [channels, 1, 1], { center: 1, limit: 0.1 });
  const shift = builder.weight(`${name}.shift`, [channels, 1, 1], { center: 0, limit: 0.05 });
  const scaled = builder.node(`${name}.scaled`, 'Mul', [shaped, scale]);
  return relu(builder, `${name}.relu`, builder.node(`${name}.norm`, 'Add', [scaled, shift]));
}
