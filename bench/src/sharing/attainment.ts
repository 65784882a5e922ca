import { percentile, rounded } from '../measure/statistics';
import type { Outcome } from './open-loop';

/** How requests were served that were due within a time. */
export interface Service {
  requests: number;
  /** Share answered rightly within the objective; errors and requests without an answer are misses. */
  sloAttainment: number;
  /** Requests without a right answer, however late. */
  errors: number;
  /** Right answers per second of the time, late ones included. */
  throughput: number;
  /** Of right answers. */
  latencyMs: { p50: number; p95: number; p99: number };
}

/** Of a load, ms since its start. */
export interface Window {
  fromMs: number;
  toMs: number;
}

/** Those of requests due in [fromMs, toMs). */
export const dueWithin = (outcomes: readonly Outcome[], { fromMs, toMs }: Window): Outcome[] =>
  outcomes.filter(({ dueMs }) => dueMs >= fromMs && dueMs < toMs);

/** A load that tells nothing. */
export const noneDue = (): RangeError => new RangeError('no request was due in the time that counts');

/** @param window requests due in it count @throws RangeError where none is */
export function serviceOf(outcomes: readonly Outcome[], window: Window, sloMs: number): Service {
  const due = dueWithin(outcomes, window);
  if (due.length === 0) throw noneDue();
  const right = due.filter(({ ok }) => ok);
  const sorted = right.map(({ latencyMs }) => latencyMs).sort((one, other) => one - other);
  return {
    requests: due.length,
    // Rounded down: one miss in many thousands is still one.
    sloAttainment: Math.floor((1e4 * right.filter(({ latencyMs }) => latencyMs <= sloMs).length) / due.length) / 1e4,
    errors: due.length - right.length,
    throughput: rounded((1000 * right.length) / (window.toMs - window.fromMs), 1),
    latencyMs: {
      p50: rounded(percentile(sorted, 0.5), 1),
      p95: rounded(percentile(sorted, 0.95), 1),
      p99: rounded(percentile(sorted, 0.99), 1),
    },
  };
}
