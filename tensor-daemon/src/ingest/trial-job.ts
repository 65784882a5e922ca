import type { GraphOptions } from '@tetris/common';
import type { ModelInterface } from './model-interface';
import type { TrialOutcome } from './trial-run';

/** What the trial process is asked for, as JSON in its only argument. */
export interface TrialJob {
  modelPath: string;
  /** Loads it as plain onnxruntime does with these options; undefined: as instances load a cut model. */
  plain?: GraphOptions;
  /** Whether to run it. */
  run: boolean;
  /** What the run should give; another result is computed twice, to know whether it is always the same. */
  digest?: string;
}

/** Its lines on stdout: first how the load went, then each run. */
export type TrialLine = TrialLoad | TrialOutcome;

export type TrialLoad =
  { loaded: true; interface: ModelInterface; privateBytes: number } | { loaded: false; reason: string };
