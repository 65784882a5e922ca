import type { GraphBuilder } from './graph-builder';

export interface ConvolutionOptions {
  inputs: number;
  outputs: number;
  /** Height and width, or one size for both; odd ones. */
  kernel: number | readonly [number, number];
  /** @default 1 */
  stride?: number;
  /** Groups of channels that are convolved apart: as many as inputs for a depthwise convolution. @default 1 */
  groups?: number;
  /** Without padding, so that the image shrinks by the kernel. @default false */
  valid?: boolean;
  /** Centre of the batch norm's scale: below one where a residual sum would grow otherwise. @default 1 */
  gain?: number;
}

/**
 * Convolution without bias, padded to keep the size at stride 1 unless it is `valid`, and batch normalization, as
 * vision models are exported.
 */
export function convolution(
  builder: GraphBuilder,
  name: string,
  input: string,
  { inputs, outputs, kernel, stride = 1, groups = 1, valid = false, gain = 1 }: ConvolutionOptions,
): string {
  const [height, width] = typeof kernel === 'number' ? [kernel, kernel] : kernel;
  const [above, beside] = valid ? [0, 0] : [(height - 1) / 2, (width - 1) / 2];
  const fanIn = (inputs / groups) * height * width;
  // ReLU halves the variance, hence half the fan-in.
  const weight = builder.matrix(`${name}.weight`, [outputs, inputs / groups, height, width], fanIn / 2);
  const convolved = builder.node(`${name}.conv`, 'Conv', [input, weight], {
    kernel_shape: [height, width],
    strides: [stride, stride],
    pads: [above, beside, above, beside],
    ...(groups === 1 ? {} : { group: groups }),
  });
  const around = (part: string, center: number, limit: number): string =>
    builder.weight(`${name}.norm.${part}`, [outputs], { center, limit });
  return builder.node(name, 'BatchNormalization', [
    convolved,
    around('scale', gain, 0.1 * gain),
    around('shift', 0, 0.05),
    around('mean', 0, 0.05),
    around('variance', 1, 0.1),
  ]);
}

export function relu(builder: GraphBuilder, name: string, input: string): string {
  return builder.node(name, 'Relu', [input]);
}

/** Mean over the image, flattened to `[batch, channels]`, and a fully connected layer with output `logits`. */
export function imageClassifier(builder: GraphBuilder, input: string, channels: number, labels: number): void {
  const pooled = builder.node('pool', 'GlobalAveragePool', [input]);
  const flat = builder.node('flat', 'Flatten', [pooled], { axis: 1 });
  const weight = builder.matrix('classifier.weight', [labels, channels], channels);
  const bias = builder.bias('classifier.bias', labels);
  builder.node('logits', 'Gemm', [flat, weight, bias], { transB: 1 });
  builder.output('logits', ['batch', labels]);
}
