import type { ModelDefinition } from '../models/graph-builder';
import { resnet } from '../models/resnet';
import { convnet } from '../models/small-models';
import { transformer } from '../models/transformer';

/** One function of the demo. */
export interface DemoFunction {
  name: string;
  /** Which figures it belongs to. */
  family: 'transformer' | 'convnet';
  definition: ModelDefinition;
  /** Dims of one example, without the batch. */
  shape: readonly number[];
  /** Instances to be alive at once. */
  instances: number;
  /** The action's memory limit, MB. */
  memoryMb: number;
}

export interface DemoSettings {
  functions: readonly DemoFunction[];
  /** Runs of each side whose median is compared, by batch size. */
  runs: { batch1: number; batch4: number };
  /** Per invoker. */
  memoryBytes: number;
  /** Folder in which the tensor store is made. */
  storeParent: string;
}

/** A tmpfs that every Linux has. */
const STORE_PARENT = '/dev/shm';

/**
 * The sizes of the figures: two BERT-base classifiers on one backbone, four instances each, and three of a ResNet-50.
 */
export function fullSettings(): DemoSettings {
  const bert = (name: string, headSeed: number): DemoFunction => ({
    name,
    family: 'transformer',
    definition: transformer(name, { headSeed }),
    shape: [64, 768],
    instances: 4,
    memoryMb: 256,
  });
  const vision: DemoFunction = {
    name: 'resnet50',
    family: 'convnet',
    definition: resnet('resnet50'),
    shape: [3, 224, 224],
    instances: 3,
    memoryMb: 256,
  };
  return {
    functions: [bert('bert-topics', 1), bert('bert-intents', 2), vision],
    runs: { batch1: 15, batch4: 7 },
    memoryBytes: 6 * 1024 ** 3,
    storeParent: STORE_PARENT,
  };
}

/** The same story with models of a few MB, for a quick look and for tests; its ratios mean little. */
export function smallSettings(): DemoSettings {
  const encoder = (name: string, headSeed: number): DemoFunction => ({
    name,
    family: 'transformer',
    definition: transformer(name, { layers: 4, hidden: 256, heads: 4, sequence: 32, headSeed }),
    shape: [32, 256],
    instances: 2,
    memoryMb: 256,
  });
  const vision: DemoFunction = {
    name: 'convnet',
    family: 'convnet',
    definition: convnet('convnet'),
    shape: [3, 64, 64],
    instances: 2,
    memoryMb: 256,
  };
  return {
    functions: [encoder('encoder-topics', 1), encoder('encoder-intents', 2), vision],
    runs: { batch1: 5, batch4: 3 },
    memoryBytes: 2 * 1024 ** 3,
    storeParent: STORE_PARENT,
  };
}
