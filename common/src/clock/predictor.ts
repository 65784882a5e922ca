/**
 * How long executions of one action in one shape will take: a percentile of the last ones, for each number of requests
 * that were executed together (Clockwork, OSDI '20), at the pace of the very last ones of any number: neighbours on the
 * processors slow all of them alike, and a size that is seldom executed would be told by what it took in other times.
 * Pure; bounded by sizes x samples.
 */

export interface PredictorOptions {
  /** Executions of a size that are looked back on. */
  samples: number;
  /** Share of them that the tail does not exceed. */
  share: number;
}

/** What every stage takes where nobody says otherwise (decision 0024). */
export const PREDICTION: PredictorOptions = { samples: 32, share: 0.95 };

/** Times of an execution, ms. */
export interface ExecutionFigures {
  tailMs: number;
  meanMs: number;
}

/** The last executions of one size. */
interface Window {
  /** A ring, ms at a pace of 1. */
  times: number[];
  next: number;
  /** Of these; undefined since another one has ended. */
  figures: (ExecutionFigures & { medianMs: number }) | undefined;
}

/** Sizes that are remembered; batches are no larger. */
const SIZES_MAX = 1024;

/** The pace is the median of so many executions, and changes where that differs by more than this share: else is noise. */
const PACE = { executions: 7, drift: 0.2 };

/** One of the last executions of any size. */
interface Recent {
  window: Window;
  /** Its place in the window. */
  at: number;
  executionMs: number;
  /** Its time over what is usual for its size at a pace of 1. */
  pace: number;
}

export class Predictor {
  readonly #options: PredictorOptions;
  readonly #windows = new Map<number, Window>();
  /** A ring. */
  readonly #recent: Recent[] = [];
  #executions = 0;
  /** How much longer than usual executions take now. */
  #pace = 1;

  constructor(options: PredictorOptions = PREDICTION) {
    this.#options = options;
  }

  /** An execution of so many requests has ended. Times that are no time are left out. */
  ran(size: number, executionMs: number): void {
    const window = this.#windows.get(size) ?? { times: [], next: 0, figures: undefined };
    if (!(executionMs >= 0) || (this.#windows.size >= SIZES_MAX && window.next === 0)) return;
    const at = window.next % this.#options.samples;
    if (window.next > 0) this.#follow({ window, at, executionMs, pace: executionMs / this.#figures(window).medianMs });
    window.times[at] = executionMs / this.#pace;
    window.next += 1;
    window.figures = undefined;
    this.#windows.set(size, window);
  }

  /** Takes the pace of the last executions where it has changed: those by which that is seen were at it already. */
  #follow(latest: Recent): void {
    if (!(latest.pace > 0) || !Number.isFinite(latest.pace)) return;
    this.#recent[this.#executions % PACE.executions] = latest;
    this.#executions += 1;
    const [before, after] = [this.#pace, medianOf(this.#recent.map(({ pace }) => pace))];
    if (this.#recent.length < PACE.executions || Math.abs(after - before) <= PACE.drift * before) return;
    this.#pace = after;
    for (const { window, at, executionMs, pace } of this.#recent) {
      if (Math.abs(pace - after) > Math.abs(pace - before)) continue;
      window.times[at] = executionMs / after;
      window.figures = undefined;
    }
  }

  /**
   * Of an execution of so many requests. Of a size that was not executed: in proportion to the next smaller one that
   * was, which is too much rather than too little, else as the smallest. Undefined where nothing is known.
   */
  of(size: number): ExecutionFigures | undefined {
    const own = this.#windows.get(size);
    if (own !== undefined) return this.#paced(own, 1);
    const known = [...this.#windows.keys()].sort((one, other) => one - other);
    const near = known.findLast((each) => each < size) ?? known[0];
    const window = near === undefined ? undefined : this.#windows.get(near);
    if (near === undefined || window === undefined) return undefined;
    return this.#paced(window, Math.max(1, size / near));
  }

  /** Time of a slow execution of so many, ms; 0 where nothing is known. */
  tailMs(size: number): number {
    return this.of(size)?.tailMs ?? 0;
  }

  /** Mean time of an execution of so many, ms; 0 where nothing is known. */
  meanMs(size: number): number {
    return this.of(size)?.meanMs ?? 0;
  }

  /** @param more times as much work */
  #paced(window: Window, more: number): ExecutionFigures {
    const { tailMs, meanMs } = this.#figures(window);
    return { tailMs: tailMs * more * this.#pace, meanMs: meanMs * more * this.#pace };
  }

  /** At a pace of 1. */
  #figures(window: Window): NonNullable<Window['figures']> {
    if (window.figures !== undefined) return window.figures;
    const sorted = [...window.times].sort((one, other) => one - other);
    const tailMs = sorted[Math.ceil(this.#options.share * sorted.length) - 1] ?? 0;
    const meanMs = sorted.reduce((sum, time) => sum + time, 0) / sorted.length;
    return (window.figures = { tailMs, meanMs, medianMs: sorted[sorted.length >> 1] ?? 0 });
  }
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[sorted.length >> 1] ?? 1;
}
