import type { Clock } from '@tetris/common';

/** Time that passes by sleeping alone; chance takes the longest pause. */
export class ManualClock implements Clock {
  nowMs = 1;
  /** What was slept, ms. */
  readonly slept: number[] = [];
  readonly now = (): number => this.nowMs;
  readonly random = (): number => 1;
  readonly sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    signal?.throwIfAborted();
    this.slept.push(ms);
    this.nowMs += ms;
    await new Promise((resolve) => setImmediate(resolve));
  };
}
