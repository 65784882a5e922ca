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

/**
 * What is taken for a slow execution, at every stage: the share of executions that are no slower, and so many standard
 * deviations above the mean where only these are known.
 */
export const TAIL = { share: 0.95, deviations: 1.645 };

/** What every stage takes where nobody says otherwise (decision 0024). */
export const PREDICTION: PredictorOptions = { samples: 32, share: TAIL.share };

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
  /** Which of all executions the last one was. */
  last: number;
  /** Of these; undefined since another one has ended. */
  figures: ExecutionFigures | undefined;
}

/** Sizes that are remembered; batches are no larger. */
const SIZES_MAX = 1024;

export class Predictor {
  readonly #options: PredictorOptions;
  readonly #windows = new Map<number, Window>();
  #ran = 0;

  constructor(options: PredictorOptions = PREDICTION) {
    this.#options = options;
  }

  /** An execution of so many requests has ended. Times that are no time are left out. */
  ran(size: number, executionMs: number): void {
    const window = this.#windows.get(size) ?? { times: [], next: 0, last: 0, figures: undefined };
    if (!(executionMs >= 0) || (this.#windows.size >= SIZES_MAX && window.next === 0)) return;
    window.times[window.next % this.#options.samples] = executionMs;
    window.next += 1;
    window.last = this.#ran += 1;
    window.figures = undefined;
    this.#windows.set(size, window);
  }

  /**
   * Of an execution of so many requests: as measured, within what sizes say that were executed since (see
   * {@link boundsOf}). Of a size that was not executed: the most that others allow, which is too much rather than too
   * little. Undefined where nothing is known.
   */
  of(size: number): ExecutionFigures | undefined {
    const own = this.#windows.get(size);
    if (own !== undefined && this.#isFresh(size)) return this.#figures(own);
    const fresh = [...this.#windows].filter(([each]) => this.#isFresh(each));
    const bounds = fresh.map(([other, window]) => boundsOf(size, other, this.#figures(window)));
    const most = leastOf(bounds.map(({ most: each }) => each));
    if (own === undefined || most === undefined) return most;
    const { tailMs, meanMs } = this.#figures(own);
    return {
      tailMs: Math.max(...bounds.map(({ least }) => least.tailMs), Math.min(tailMs, most.tailMs)),
      meanMs: Math.max(...bounds.map(({ least }) => least.meanMs), Math.min(meanMs, most.meanMs)),
    };
  }

  /** Sizes that were executed. */
  get sizes(): number[] {
    return [...this.#windows.keys()];
  }

  /**
   * Time that joint executions take over that of as many single ones, all sizes together that were executed lately;
   * undefined where none was joined.
   */
  get jointShare(): number | undefined {
    const joint = this.sizes.filter((size) => size > 1 && this.#isFresh(size));
    const requests = joint.reduce((total, size) => total + size, 0);
    const jointMs = joint.reduce((total, size) => total + this.meanMs(size), 0);
    return joint.length === 0 ? undefined : jointMs / (requests * this.meanMs(1));
  }

  /** Executions since the last one of so many; infinite where there was none. */
  since(size: number): number {
    return this.#ran - (this.#windows.get(size)?.last ?? Number.NEGATIVE_INFINITY);
  }

  /** Time of a slow execution of so many, ms; 0 where nothing is known. */
  tailMs(size: number): number {
    return this.of(size)?.tailMs ?? 0;
  }

  /** Mean time of an execution of so many, ms; 0 where nothing is known. */
  meanMs(size: number): number {
    return this.of(size)?.meanMs ?? 0;
  }

  /** As many executions as a window holds make one old in which none of them is: a neighbour may have come or gone. */
  #isFresh(size: number): boolean {
    return this.since(size) < this.#options.samples;
  }

  #figures(window: Window): ExecutionFigures {
    if (window.figures !== undefined) return window.figures;
    const sorted = [...window.times].sort((one, other) => one - other);
    const tailMs = sorted[Math.ceil(this.#options.share * sorted.length) - 1] ?? 0;
    const meanMs = sorted.reduce((sum, time) => sum + time, 0) / sorted.length;
    return (window.figures = { tailMs, meanMs });
  }
}

/** More requests take no less time, and no more than in proportion: so one size bounds another. */
function boundsOf(
  size: number,
  other: number,
  { tailMs, meanMs }: ExecutionFigures,
): { least: ExecutionFigures; most: ExecutionFigures } {
  const [less, more] = [Math.min(1, size / other), Math.max(1, size / other)];
  return {
    least: { tailMs: tailMs * less, meanMs: meanMs * less },
    most: { tailMs: tailMs * more, meanMs: meanMs * more },
  };
}

const leastOf = (figures: readonly ExecutionFigures[]): ExecutionFigures | undefined =>
  figures.length === 0
    ? undefined
    : {
        tailMs: Math.min(...figures.map(({ tailMs }) => tailMs)),
        meanMs: Math.min(...figures.map(({ meanMs }) => meanMs)),
      };
