import { percentile } from '../scaling/percentile';

/** Answers that are looked back on. */
const TIMES_MAX = 64;

/** Once so many are known the share is taken anew after as many: a sort for each would cost more than it tells. */
const EVERY = 8;

/** Share of the answers that took no longer than what is told. */
const SHARE = 0.9;

/** How long instances of one group take to answer what they were given. Pure. */
export class AnswerTimes {
  readonly #times: number[] = [];
  #next = 0;
  #slowMs = 0;

  /** An activation was answered. @param tookMs since an instance at work was given it */
  answered(tookMs: number): void {
    this.#times[this.#next % TIMES_MAX] = tookMs;
    this.#next += 1;
    if (this.#next > EVERY && this.#next % EVERY !== 0) return;
    this.#slowMs = percentile(this.#times, SHARE);
  }

  /** The time of slow ones among the last, ms; 0 while nothing is known. */
  get slowMs(): number {
    return this.#slowMs;
  }
}
