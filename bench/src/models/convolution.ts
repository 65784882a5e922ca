import type { GraphBuilder } from './graph-builder';

export interface ConvolutionOptions {
  inputs: number;
  outputs: number;
  kernel: number;
  /** @default 1 */
  stride?: number;
  /** Centre of the batch norm's scale: below one where a residual sum would grow otherwise. @default 1 */
  gain?: number;
}

/**
 * Convolution without bias, padded to keep the size at stride 1, and batch normalization, as vision models are
 * exported.
 */
export function convolution(
  builder: GraphBuilder,
  name: string,
  input: string,
  { inputs, outputs, kernel, stride = 1, gain = 1 }: ConvolutionOptions,
): string {
  const padding = (kernel - 1) / 2;
  // ReLU halves the variance, hence half the fan-in.
  const weight = builder.matrix(`${name}.weight`, [outputs, inputs, kernel, kernel], (inputs * kernel * kernel) / 2);
  const convolved = builder.node(`${name}.conv`, 'Conv', [input, weight], {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [padding, padding, padding, padding],
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
