/** Bounds in which latencies are counted, and into which objectives are sorted, so that one can be read off the other. */

/** Seconds, from what a person does not notice to the longest that a user waits for an answer. */
export const OBJECTIVE_SECONDS = [0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 300] as const;

/**
 * The class of an objective for a label: the least bound that holds it, in seconds, as Prometheus writes bounds of
 * buckets.
 * @param objectiveMs as the annotation `tetris-slo` gives it
 */
export function objectiveClass(objectiveMs: number): string {
  const bound = OBJECTIVE_SECONDS.find((seconds) => objectiveMs <= seconds * 1000);
  return bound === undefined ? '+Inf' : String(bound);
}
