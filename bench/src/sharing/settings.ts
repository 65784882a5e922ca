import { alexnet } from '../models/alexnet';
import type { ModelDefinition } from '../models/graph-builder';
import { convnet, lstm, textCnn } from '../models/small-models';
import { transformer } from '../models/transformer';

/** A function under load. */
export interface LoadedFunction {
  definition: ModelDefinition;
  /** Parameters of the action: dims of one example, and how many tokens there are where it is one of token ids. */
  input: { shape: readonly number[]; vocabulary?: number };
}

/** How load and objective follow from what the machine was measured to do; nothing else decides them. */
export const LOAD_RULE = {
  /** Load over the most that one request an instance achieves (an instance a core, all busy): above 1 it cannot. */
  overload: 1.05,
  /** Where joining pays more than that, this share of what joined requests achieve. */
  share: 0.65,
  /** Never more than this share: beyond it queues grow in any system. */
  shareMax: 0.85,
  /** The objective is so many times the duration of an activation alone, */
  sloTimes: 8,
  /** and at least INFless's for ResNet-50, ms. */
  sloMsMin: 300,
} as const;

export interface SharingSettings {
  functions: readonly LoadedFunction[];
  /** A closed loop of so long finds out how many requests a second the machine can answer, ms. */
  calibrationMs: number;
  /** Load that does not count: instances start, ms. */
  warmUpMs: number;
  /** The same where the scaler learns what the function costs, and ends what learning has left, ms. */
  learningMs: number;
  /** Load that counts, ms. */
  measuredMs: number;
  sampleMs: number;
  /** How often something is measured at most while the machine is too slow for it to count. */
  triesMax: number;
}

export function fullSettings(): SharingSettings {
  const text = textCnn('text', { sequence: 512, width: 256, filters: 256 });
  return {
    functions: [
      { definition: text, input: { shape: [512], vocabulary: 20_000 } },
      { definition: alexnet('image'), input: { shape: [3, 224, 224] } },
      {
        // MiniLM's size.
        definition: transformer('transformer', { layers: 6, hidden: 384, sequence: 32 }),
        input: { shape: [32, 384] },
      },
      { definition: lstm('recurrent', { inputs: 128, hidden: 768 }), input: { shape: [96, 128] } },
    ],
    calibrationMs: 1_500,
    warmUpMs: 4_000,
    learningMs: 14_000,
    measuredMs: 8_000,
    sampleMs: 750,
    triesMax: 3,
  };
}

/** One small model and seconds of load: shows that everything works, and measures nothing. */
export function quickSettings(): SharingSettings {
  return {
    functions: [{ definition: convnet('image'), input: { shape: [3, 64, 64] } }],
    calibrationMs: 300,
    warmUpMs: 1_500,
    learningMs: 2_500,
    measuredMs: 1_500,
    sampleMs: 250,
    triesMax: 1,
  };
}
