import type { Outcome } from '../sharing/open-loop';

/** Attainment above which a function counts as recovered. */
const RECOVERED = 0.99;
const STEP_MS = 250;

/**
 * Seconds from the end of a burst until so many of the requests due within the next window are in time; infinite where
 * that is never so.
 */
export function recoverySeconds(
  outcomes: readonly Outcome[],
  { fromMs, toMs, windowMs }: { fromMs: number; toMs: number; windowMs: number },
  sloMs: number,
): number {
  for (let atMs = fromMs; atMs + windowMs <= toMs; atMs += STEP_MS) {
    const due = outcomes.filter(({ dueMs }) => dueMs >= atMs && dueMs < atMs + windowMs);
    const inTime = due.filter(({ ok, latencyMs }) => ok && latencyMs <= sloMs);
    if (due.length > 0 && inTime.length >= RECOVERED * due.length) return (atMs - fromMs) / 1000;
  }
  return Infinity;
}
