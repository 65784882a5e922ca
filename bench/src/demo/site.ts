import type { ActionReport } from './cloud';
import type { DemoFunction } from './settings';

/** What an activation of the demo's action is asked for. */
export interface Work {
  seed: number;
  /** Examples in a run. @default 1 */
  batch?: number;
  /** Runs, each timed by itself. @default 1 */
  runs?: number;
}

/** A place where instances of the demo's functions live: the platform, or plain processes. Both run the same code. */
export interface Site {
  /** Starts one more instance beside those there are; resolves when it has answered and sits idle. */
  addInstance(wanted: DemoFunction, work: Work): Promise<ActionReport>;
  /** Has one of the function's instances answer, or starts one. */
  invoke(wanted: DemoFunction, work: Work): Promise<ActionReport>;
  /** Lets instances go that {@link Site.addInstance} holds, so that they can be invoked. */
  release(): Promise<void>;
  /** Bytes that the whole site occupies now: processes by proportional set size, and the store where it has one. */
  memoryBytes(): Promise<number>;
  /** Ends everything; idempotent. */
  stop(): Promise<void>;
}
