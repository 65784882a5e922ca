import type { ModelDefinition } from './graph-builder';
import { stackedConvnet } from './stacked-convnet';

/**
 * AlexNet (Krizhevsky 2012, in the single-column form of 2014) over `[batch, 3, 224, 224]`: five convolutions, then
 * three dense layers that hold 94 % of its 244 MB. Reading those costs as much for one image as for a batch.
 */
export function alexnet(
  name: string,
  sizes: { hidden?: number; labels?: number; seed?: number } = {},
): ModelDefinition {
  return stackedConvnet(name, { layers: LAYERS, pool: 3, pixels: 6, ...sizes });
}

const LAYERS = [
  { inputs: 3, outputs: 64, kernel: 11, stride: 4, padding: 2, pooled: true },
  { inputs: 64, outputs: 192, kernel: 5, stride: 1, padding: 2, pooled: true },
  { inputs: 192, outputs: 384, kernel: 3, stride: 1, padding: 1, pooled: false },
  { inputs: 384, outputs: 256, kernel: 3, stride: 1, padding: 1, pooled: false },
  { inputs: 256, outputs: 256, kernel: 3, stride: 1, padding: 1, pooled: true },
] as const;
