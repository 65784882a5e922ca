/**
 * How many requests per second an action gets. Pure; epoch ms passed in.
 *
 * A moving average alone is late for bursts, a short window alone forgets them at once. The estimate is the larger of
 * both: it follows a burst within one bucket and comes down with the average's half-life.
 */

export interface RateOptions {
  /** Width of a bucket, ms. @default 1000, as the paper measures */
  bucketMs: number;
  /** Buckets of the short window. */
  windowBuckets: number;
  /** Time in which the average forgets half, ms. */
  halfLifeMs: number;
}

export class RateEstimator {
  readonly #options: RateOptions;
  /** Start of the current bucket. */
  #bucketStartMs: number;
  #count = 0;
  #average = 0;
  /** Rates of the last full buckets, oldest first; at most `windowBuckets`. */
  #window: number[] = [];

  constructor(options: RateOptions, nowMs: number) {
    this.#options = options;
    this.#bucketStartMs = nowMs;
  }

  arrived(nowMs: number, count = 1): void {
    this.#roll(nowMs);
    this.#count += count;
  }

  /** The highest rate of the short window, requests per second: what was asked for just now. */
  recent(nowMs: number): number {
    this.#roll(nowMs);
    return Math.max(...this.#window, 0);
  }

  /** Requests per second. */
  estimate(nowMs: number): number {
    this.#roll(nowMs);
    return Math.max(this.#average, ...this.#window, 0);
  }

  #roll(nowMs: number): void {
    const { bucketMs, windowBuckets, halfLifeMs } = this.#options;
    const elapsed = Math.floor((nowMs - this.#bucketStartMs) / bucketMs);
    if (elapsed <= 0) return;
    const decay = 0.5 ** (bucketMs / halfLifeMs);
    const rate = (this.#count * 1000) / bucketMs;
    this.#average = this.#average * decay + rate * (1 - decay);
    this.#window.push(rate);
    const silent = elapsed - 1;
    this.#average *= decay ** silent;
    for (let index = 0; index < Math.min(silent, windowBuckets); index += 1) this.#window.push(0);
    this.#window = this.#window.slice(-windowBuckets);
    this.#count = 0;
    this.#bucketStartMs += elapsed * bucketMs;
  }
}
