import type { GraphOptions } from '@tetris/common';
import type { ModelInterface } from './model-interface';
import type { TrialOutcome } from './trial-run';

/** What the optimizer process writes into its output folder. */
export const OPTIMIZED_GRAPH = 'optimized.onnx';
export const OPTIMIZED_DATA = 'optimized.data';

/** What the optimizer process is asked for, as JSON in its only argument. */
export interface OptimizeJob {
  /** Path of the model; external data beside it. */
  modelPath: string;
  /** Existing folder for the output. */
  outputFolder: string;
  graph: GraphOptions;
  /** Tensors below this stay in the graph. */
  tensorBytesMin: number;
  /** Whether to run it once. */
  run: boolean;
}

/** Its first line on stdout; where it ran the model, a {@link TrialOutcome} follows. */
export type OptimizeOutcome =
  | { ok: true; interface: ModelInterface }
  /** `loads`: onnxruntime can load the model, and only failed to save it in a form that can be shared. */
  | { ok: false; reason: string; loads: boolean };

/** What is known of the original once it is optimized. */
export interface Original {
  interface: ModelInterface;
  /** Undefined where it was not run, or not in time. */
  trial: TrialOutcome | undefined;
}
