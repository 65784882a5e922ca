/** Weight of the newest value in a running mean. */
const NEWEST = 0.25;

/** A lull counts as a gap of so many waiting times at most, so that a burst after it is recognised soon. */
const LULL_WAITS = 4;

/** A mate that is overdue by so many gaps is not expected any more. */
const OVERDUE_GAPS = 2;

/** How often requests of one key come, and how long their runs take. */
export class Pace {
  readonly #executionMs = new Map<number, number>();
  #gapMs: number | undefined;
  #lastMs: number | undefined;

  arrived(nowMs: number, waitMs: number): void {
    if (this.#lastMs !== undefined) {
      this.#gapMs = mean(this.#gapMs, Math.min(Math.max(0, nowMs - this.#lastMs), LULL_WAITS * waitMs));
    }
    this.#lastMs = nowMs;
  }

  ran(rows: number, executionMs: number): void {
    this.#executionMs.set(rows, mean(this.#executionMs.get(rows), executionMs));
  }

  /** Until when waiting for one more request is worth it, `untilMs` at most; `nowMs` where it is not. */
  worthUntil(nowMs: number, untilMs: number): number {
    if (this.#gapMs === undefined || this.#lastMs === undefined || this.#lastMs + this.#gapMs > untilMs) return nowMs;
    return Math.max(nowMs, Math.min(untilMs, this.#lastMs + OVERDUE_GAPS * this.#gapMs));
  }

  /**
   * Time of a run of so many rows: measured, or in proportion to the next smaller size that was, which is too much rather
   * than too little. 0 where nothing is known.
   */
  estimateMs(rows: number): number {
    const measured = [...this.#executionMs].sort(([one], [other]) => one - other);
    const below = measured.findLast(([size]) => size <= rows);
    if (below !== undefined) return (below[1] * rows) / below[0];
    return measured[0]?.[1] ?? 0;
  }
}

function mean(before: number | undefined, newest: number): number {
  return before === undefined ? newest : before + NEWEST * (newest - before);
}
