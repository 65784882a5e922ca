/** How an instance serves while it is busy. */
export interface Throughput {
  /** Requests that it executes at once. */
  atOnce: number;
  /** Mean time of that execution, ms, above 0. */
  executionMs: number;
  /** Mean time that a request is on its way there and back, ms. */
  wayMs: number;
}

/**
 * How many of the requests that an instance has are neither executed nor waiting in it, but on their way there or back
 * (Little's law): no more than pass by in that time. They are before nobody, and keep nothing at work. Pure.
 *
 * @param requests that were given to it and whose answers are not there
 */
export function underWay(requests: number, { atOnce, executionMs, wayMs }: Throughput): number {
  const perMs = Math.min(requests / (wayMs + executionMs), atOnce / executionMs);
  return Math.floor(perMs * wayMs);
}
