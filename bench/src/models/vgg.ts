import type { ModelDefinition } from './graph-builder';
import { type ConvolutionLayer, stackedConvnet } from './stacked-convnet';

/** Channels of the convolutions between two poolings. */
const STAGES = [
  [64, 64],
  [128, 128],
  [256, 256, 256],
  [512, 512, 512],
  [512, 512, 512],
] as const;

/** VGG-16 (Simonyan 2014) over `[batch, 3, 224, 224]`: 553 MB, nine tenths of it in three dense layers. */
export function vgg16(name: string, sizes: { hidden?: number; labels?: number; seed?: number } = {}): ModelDefinition {
  return stackedConvnet(name, { layers: layers(), pool: 2, pixels: 7, ...sizes });
}

function layers(): ConvolutionLayer[] {
  let inputs = 3;
  return STAGES.flatMap((stage) =>
    stage.map((outputs, at) => {
      const layer = { inputs, outputs, kernel: 3, stride: 1, padding: 1, pooled: at === stage.length - 1 };
      inputs = outputs;
      return layer;
    }),
  );
}
