/**
 * How much instances must be able to serve for few requests to wait too long (Allen and Cunneen's approximation of the
 * wait before servers that are as one). Pure.
 */

export interface WaitingBound {
  /** Wait that a request can afford, ms: the objective less a slow execution, and less one that is under way. */
  spareMs: number;
  /** Squared coefficients of variation of arrivals and executions. */
  arrivals: number;
  executions: number;
  /** Share of the requests that may wait longer. */
  lateMax: number;
}

/** Halvings of the interval in which the answer is: to less than a thousandth of the rate. */
const STEPS = 20;
/** A wait is never taken to be shorter: then no capacity would be enough, ms. */
const SPARE_MS_MIN = 5;

/**
 * The least capacity, requests per second, at which no more than that share waits longer: P(wait > t) is
 * rho exp(-2 (capacity - rate) t / (Ca2 + Cs2)).
 */
export function capacityFor(rate: number, { spareMs, arrivals, executions, lateMax }: WaitingBound): number {
  if (rate <= 0) return 0;
  const exponent = (2 * Math.max(SPARE_MS_MIN, spareMs)) / 1000 / (arrivals + executions);
  const lateShare = (capacity: number): number => (rate / capacity) * Math.exp(-exponent * (capacity - rate));
  let [low, high] = [rate, rate + Math.log(1 / lateMax) / exponent];
  for (let step = 0; step < STEPS; step += 1) {
    const middle = (low + high) / 2;
    if (lateShare(middle) > lateMax) low = middle;
    else high = middle;
  }
  return high;
}
