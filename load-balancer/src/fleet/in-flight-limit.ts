/** Share of the answers that may be late: with fewer in flight, batches are smaller than there is time for. */
const LATE_SHARE = 0.03;
/** By how much a round of answers that are all late lowers the logarithm of the limit, less what holds it up. */
const GAIN = 2;
/** Of what would have been in time, where an answer was late: what comes next varies, too. */
const CAUTION = 0.85;

/** An activation that was handed on and has been answered. Times in epoch ms. */
export interface Answered {
  /** When it was handed on, itself included. */
  inFlight: number;
  sentMs: number;
  dueMs: number;
  answeredMs: number;
}

/**
 * How many activations may be in flight for the next one to be in time, found by whether the last ones were. An answer
 * in time raises the limit and a late one lowers it, as 3 to 97: so many of a hundred are late where it stays
 * (stochastic approximation of a quantile, Robbins and Monro, 1951). A round in time adds a sixteenth. Late ones leave
 * most of as many as would have been in time at their pace, however many are late together. It asks for no model of what
 * serves them, and forgets what was true of a slower or faster node within some rounds (decision 0029). Pure.
 */
export class InFlightLimit {
  /** In flight for each ms that is left. */
  #perMs: number | undefined;
  /** The most that one had left when it was handed on, ms. */
  #leftMs = 0;

  /** Not even one alone is in time. */
  get isHopeless(): boolean {
    return this.#perMs !== undefined && this.#perMs * this.#leftMs < 1;
  }

  /** So many may be in flight with one that has so long left, ms; undefined while no answer has told. */
  of(leftMs: number): number | undefined {
    return this.#perMs === undefined ? undefined : this.#perMs * leftMs;
  }

  answered({ inFlight, sentMs, dueMs, answeredMs }: Answered): void {
    const leftMs = dueMs - sentMs;
    // It was late when it was handed on: that tells nothing of how many may be in flight.
    if (leftMs <= 0) return;
    this.#leftMs = Math.max(this.#leftMs, leftMs);
    const pace = (CAUTION * inFlight) / Math.max(1, answeredMs - sentMs);
    if (this.#perMs === undefined) this.#perMs = pace;
    else if (answeredMs > dueMs) {
      const fewer = this.#perMs * Math.exp((GAIN * (LATE_SHARE - 1)) / Math.max(1, this.#perMs * leftMs));
      this.#perMs = Math.max(fewer, Math.min(this.#perMs, pace));
    }
    // With few in flight it is no wonder that it was in time.
    else if (2 * inFlight >= this.#perMs * leftMs) this.#perMs *= Math.exp((GAIN * LATE_SHARE) / inFlight);
  }
}
