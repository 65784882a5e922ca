/**
 * How long executions of one action in one shape will take: a percentile of the last ones, for each number of requests
 * that were executed together (Clockwork, OSDI '20). Pure; bounded by sizes x samples.
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
  /** A ring, ms. */
  times: number[];
  next: number;
  /** Of these; undefined since another one has ended. */
  figures: ExecutionFigures | undefined;
}

/** Sizes that are remembered; batches are no larger. */
const SIZES_MAX = 1024;

export class Predictor {
  readonly #options: PredictorOptions;
  readonly #windows = new Map<number, Window>();

  constructor(options: PredictorOptions = PREDICTION) {
    this.#options = options;
  }

  /** An execution of so many requests has ended. Times that are no time are left out. */
  ran(size: number, executionMs: number): void {
    const window = this.#windows.get(size) ?? { times: [], next: 0, figures: undefined };
    if (!(executionMs >= 0) || (this.#windows.size >= SIZES_MAX && window.next === 0)) return;
    window.times[window.next % this.#options.samples] = executionMs;
    window.next += 1;
    window.figures = undefined;
    this.#windows.set(size, window);
  }

  /**
   * Of an execution of so many requests. Of a size that was not executed: in proportion to the next smaller one that
   * was, which is too much rather than too little, else as the smallest. Undefined where nothing is known.
   */
  of(size: number): ExecutionFigures | undefined {
    const own = this.#windows.get(size);
    if (own !== undefined) return this.#figures(own);
    const known = [...this.#windows.keys()].sort((one, other) => one - other);
    const near = known.findLast((each) => each < size) ?? known[0];
    const window = near === undefined ? undefined : this.#windows.get(near);
    if (near === undefined || window === undefined) return undefined;
    const { tailMs, meanMs } = this.#figures(window);
    const more = Math.max(1, size / near);
    return { tailMs: tailMs * more, meanMs: meanMs * more };
  }

  /** Time of a slow execution of so many, ms; 0 where nothing is known. */
  tailMs(size: number): number {
    return this.of(size)?.tailMs ?? 0;
  }

  /** Mean time of an execution of so many, ms; 0 where nothing is known. */
  meanMs(size: number): number {
    return this.of(size)?.meanMs ?? 0;
  }

  #figures(window: Window): ExecutionFigures {
    if (window.figures !== undefined) return window.figures;
    const sorted = [...window.times].sort((one, other) => one - other);
    const tailMs = sorted[Math.ceil(this.#options.share * sorted.length) - 1] ?? 0;
    const meanMs = sorted.reduce((sum, time) => sum + time, 0) / sorted.length;
    return (window.figures = { tailMs, meanMs });
  }
}
