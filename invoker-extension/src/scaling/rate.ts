/**
 * How many requests per second an action gets. Pure; epoch ms passed in.
 *
 * A mean with a confidence bound over two windows: the long one is calm, and the short one takes over where the two
 * cannot be of one rate (a panic, as Knative's autoscaler has it). A maximum of short counts would be far above the
 * rate where few requests come, and little above it where many do.
 */

export interface RateOptions {
  /** Width of a bucket, ms. */
  bucketMs: number;
  /** The two windows, ms. */
  shortMs: number;
  longMs: number;
  /** Standard deviations of the mean that the bound is away from it. */
  confidence: number;
}

/** A mean, and what it surely is not below and not above; requests per second. */
interface Bounds {
  low: number;
  high: number;
}

export class RateEstimator {
  readonly #options: RateOptions;
  /** Start of the current bucket. */
  #bucketStartMs: number;
  #count = 0;
  /** Of the full buckets of the long window, oldest first. */
  #counts: number[] = [];

  constructor(options: RateOptions, nowMs: number) {
    this.#options = options;
    this.#bucketStartMs = nowMs;
  }

  arrived(nowMs: number, count = 1): void {
    this.#roll(nowMs);
    this.#count += count;
  }

  /** What was asked for just now: no more than {@link estimate}, and nothing after a silence. */
  recent(nowMs: number): number {
    this.#roll(nowMs);
    return Math.min(this.#bounds(this.#short).high, this.estimate(nowMs));
  }

  /** Requests per second, at the upper bound. */
  estimate(nowMs: number): number {
    this.#roll(nowMs);
    const [short, long] = [this.#bounds(this.#short), this.#bounds(this.#counts)];
    return short.low > long.high ? short.high : long.high;
  }

  /**
   * Squared coefficient of variation of the arrivals, 1 for those of a Poisson process and never below; a rate that
   * changes slowly is no variation.
   */
  get variability(): number {
    const steps = this.#counts.slice(1).map((count, at) => (count - (this.#counts[at] ?? 0)) ** 2 / 2);
    const mean = sum(this.#counts) / this.#counts.length;
    return steps.length === 0 || mean === 0 ? 1 : Math.max(1, sum(steps) / steps.length / mean);
  }

  get #short(): readonly number[] {
    const { shortMs, bucketMs } = this.#options;
    return this.#counts.slice(-Math.max(1, Math.round(shortMs / bucketMs)));
  }

  #bounds(counts: readonly number[]): Bounds {
    const seconds = (counts.length * this.#options.bucketMs) / 1000;
    if (seconds === 0) return { low: 0, high: 0 };
    const mean = sum(counts) / seconds;
    const wide = this.#options.confidence * Math.sqrt((this.variability * mean) / seconds);
    return { low: mean - wide, high: mean + wide };
  }

  #roll(nowMs: number): void {
    const { bucketMs, longMs } = this.#options;
    const elapsed = Math.floor((nowMs - this.#bucketStartMs) / bucketMs);
    if (elapsed <= 0) return;
    const most = Math.max(1, Math.round(longMs / bucketMs));
    const silent = Array.from({ length: Math.min(elapsed - 1, most) }, () => 0);
    this.#counts = [...this.#counts, this.#count, ...silent].slice(-most);
    this.#count = 0;
    this.#bucketStartMs += elapsed * bucketMs;
  }
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
