/** Pauses between attempts. */
export interface Backoff {
  /** Longest pause before the second attempt, ms; doubled with each further one. */
  firstMs: number;
  /** Longest pause of all, ms. */
  maxMs: number;
}

/**
 * Pause after a failed attempt: exponential, its upper half at random, so that those who failed together do not come
 * back together.
 *
 * @param attempt the one that failed, from 1
 * @returns ms
 */
export function pauseMs({ firstMs, maxMs }: Backoff, attempt: number, random: () => number = Math.random): number {
  const longestMs = Math.min(firstMs * 2 ** (attempt - 1), maxMs);
  return (longestMs * (1 + random())) / 2;
}
