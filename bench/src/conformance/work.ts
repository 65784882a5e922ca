/** What both sides are asked, and what they answer; `actions/conformance.js` is who does it. All of it is JSON. */

/**
 * How a model is given to `InferenceSession.create`: its path in a folder that the daemon sees too, its path in one
 * that only the action sees, or its bytes.
 */
export type Way = 'path' | 'copy' | 'bytes';
export const WAYS: readonly Way[] = ['path', 'copy', 'bytes'];

/** A tensor's bytes in base64, in the order of its elements; or its texts. */
export interface WireTensor {
  type: string;
  dims: number[];
  data?: string;
  texts?: string[];
  /** Class of the typed array that user code gets. */
  array?: string;
}

/** A fed value; other than a tensor only by what it is, since onnxruntime-node cannot be fed with such. */
export type WireValue = WireTensor | { type: 'sequence' | 'map' | 'optional' };
export type Feeds = Record<string, WireValue>;

export interface Work {
  /** Path of the model. */
  model: string;
  by: 'path' | 'bytes';
  dataSets: readonly Feeds[];
  /** Which manner of holding the fed numbers begins; runs take turns at them. */
  first: number;
  /**
   * Calls that are made at once, in each of two rounds, with the numbers of the first data set in another order each.
   */
  together: number;
}

/** An error as user code sees it. */
export interface Failure {
  error: { class: string; message: string };
}

export type RunReport = { outputs: Record<string, WireTensor>; unchanged: boolean } | Failure;

/** What a side saw of a model. */
export interface ModelReport {
  /** Names and metadata of the session. */
  load: Record<string, unknown> | Failure;
  alone?: RunReport[];
  joined?: RunReport[];
  released?: object;
}

/** What became of a piece of work. */
export type Answer =
  | {
      outcome: 'reported';
      report: ModelReport;
      /** Why the model is not shared; undefined where it is. */ privately?: string;
    }
  | { outcome: 'crashed' | 'hung'; detail: string };

/** Where models are run. A side replaces what a model has crashed. */
export interface Side {
  ask(work: Work): Promise<Answer>;
  /** Ends its process: what is asked next is asked of a new one. */
  restart(): Promise<void>;
  /** Ends its process for good: whoever asks after that is refused. Idempotent. */
  close(): Promise<void>;
}

export function isFailure(report: object): report is Failure {
  return 'error' in report;
}
