import { movingMean, Predictor } from '@tetris/common/clock';

export interface PaceOptions {
  /** A lull counts as a gap of so many waiting times at most, so that a burst after it is recognised soon. */
  lullWaits: number;
  /** A mate that is overdue by so many gaps is not expected any more. */
  overdueGaps: number;
  /** A size whose time per row is above the least by less than this share is as good. */
  alike: number;
  /** A size that was not run for so many runs per row is tried again: it may have been measured in bad times. */
  freshRuns: number;
}

/** Weight of the newest gap in the running mean. */
const NEWEST = 0.25;

/** How often requests of one key come, and how long their runs take. */
export class Pace {
  /** How long runs take, by rows. */
  readonly runs = new Predictor();
  readonly #options: PaceOptions;
  #gapMs: number | undefined;
  #lastMs: number | undefined;

  constructor(options: PaceOptions) {
    this.#options = options;
  }

  arrived(nowMs: number, waitMs: number): void {
    if (this.#lastMs !== undefined) {
      const gapMs = Math.min(Math.max(0, nowMs - this.#lastMs), this.#options.lullWaits * waitMs);
      this.#gapMs = movingMean(this.#gapMs, gapMs, NEWEST);
    }
    this.#lastMs = nowMs;
  }

  /**
   * How many of so many rows to run together: the fewest whose time per row is nearly the least. More would take as
   * long as two runs, and all of them would wait for it. All of them where that was not tried lately.
   */
  rowsWorth(rows: number): number {
    const { alike, freshRuns } = this.#options;
    const perRow = this.runs.sizes
      .filter((size) => size <= rows && this.runs.since(size) < freshRuns * size)
      .map((size) => ({ size, ms: this.runs.meanMs(size) / size }))
      .sort((one, other) => one.size - other.size);
    if (perRow.at(-1)?.size !== rows) return rows;
    const least = Math.min(...perRow.map(({ ms }) => ms));
    return perRow.find(({ ms }) => ms <= (1 + alike) * least)?.size ?? rows;
  }

  /** Until when waiting for one more request is worth it, `untilMs` at most; `nowMs` where it is not. */
  worthUntil(nowMs: number, untilMs: number): number {
    if (this.#gapMs === undefined || this.#lastMs === undefined || this.#lastMs + this.#gapMs > untilMs) return nowMs;
    return Math.max(nowMs, Math.min(untilMs, this.#lastMs + this.#options.overdueGaps * this.#gapMs));
  }

  /**
   * What it saves to join one more row to so many, ms: the time of a run of its own, less what the joint run takes
   * longer.
   */
  savedMs(rows: number): number {
    return this.runs.meanMs(1) + this.runs.meanMs(rows) - this.runs.meanMs(rows + 1);
  }
}
