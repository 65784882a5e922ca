import { buildModel } from '../models/built-model';
import type { ModelDefinition } from '../models/graph-builder';
import { resnet } from '../models/resnet';
import { convnet, perceptron, textCnn } from '../models/small-models';
import { transformer } from '../models/transformer';
import { vgg16 } from '../models/vgg';

/** What an instance is asked to run: parameters of `actions/classify.js`. */
export interface Work {
  model: string;
  shape?: readonly number[];
  vocabulary?: number;
}

interface Served {
  definition: () => ModelDefinition;
  shape?: readonly number[];
  vocabulary?: number;
}

/** By name, in full and small. */
const SERVED = {
  bert: {
    full: { definition: () => transformer('bert'), shape: [64, 768] },
    small: {
      definition: () => transformer('bert', { layers: 1, hidden: 64, heads: 4, sequence: 16 }),
      shape: [16, 64],
    },
  },
  vgg16: {
    full: { definition: () => vgg16('vgg16'), shape: [3, 224, 224] },
    small: { definition: () => perceptron('vgg16'), shape: [64] },
  },
  resnet50: {
    full: { definition: () => resnet('resnet50'), shape: [3, 224, 224] },
    small: { definition: () => convnet('resnet50'), shape: [3, 64, 64] },
  },
  textCnn: {
    full: { definition: () => textCnn('text-cnn'), vocabulary: 20_000 },
    small: { definition: () => textCnn('text-cnn', { vocabulary: 200 }), vocabulary: 200 },
  },
} as const satisfies Record<string, { full: Served; small: Served }>;

export type ServedName = keyof typeof SERVED;

/** Builds a model in a folder, and tells what to ask of it. */
export async function workOf(name: ServedName, folder: string, quick: boolean): Promise<Work> {
  const { definition, ...inputs }: Served = SERVED[name][quick ? 'small' : 'full'];
  const { path } = await buildModel(definition(), folder);
  return { model: path, ...inputs };
}
