/** Sends requests when they are due, whether or not earlier ones were answered. */
import { setTimeout as delay } from 'node:timers/promises';

/** What became of one request. */
export interface Outcome {
  /** When it was due, ms from the start. */
  dueMs: number;
  /** From then until its answer was there; infinite where there was none. */
  latencyMs: number;
  /** Answered, and rightly. */
  ok: boolean;
}

/** Passed in by tests. */
export interface Clock {
  nowMs(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface OpenLoopOptions {
  /** Due times, ms from the start, ascending. */
  times: readonly number[];
  /** Resolves with whether the answer was right; a rejection counts as an error. */
  send: (index: number) => Promise<boolean>;
  /** Requests on their way at once; those beyond are not sent and count as errors. */
  inFlightMax: number;
  /** How long answers are waited for after the last request was due, ms. */
  graceMs: number;
  clock?: Clock;
}

const CLOCK: Clock = {
  nowMs: () => performance.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, signal && { signal }).catch(() => undefined);
  },
};

/**
 * Outcomes in the order of the due times. Latency counts from the due time, so that lateness of the sender is not
 * hidden.
 */
export async function openLoop(options: OpenLoopOptions): Promise<Outcome[]> {
  const { times, send, inFlightMax, graceMs, clock = CLOCK } = options;
  const outcomes = times.map((dueMs): Outcome => ({ dueMs, latencyMs: Infinity, ok: false }));
  const over = new AbortController();
  const inFlight = new Set<Promise<void>>();
  const startMs = clock.nowMs();
  const sinceStart = (): number => clock.nowMs() - startMs;
  for (const [index, outcome] of outcomes.entries()) {
    const waitMs = outcome.dueMs - sinceStart();
    if (waitMs > 0) await clock.sleep(waitMs);
    if (inFlight.size >= inFlightMax) continue;
    const request = send(index).then(
      (ok) => {
        if (over.signal.aborted) return;
        outcome.ok = ok;
        outcome.latencyMs = sinceStart() - outcome.dueMs;
      },
      () => undefined,
    );
    inFlight.add(request);
    void request.finally(() => inFlight.delete(request));
  }
  await Promise.race([Promise.all(inFlight), clock.sleep(graceMs, over.signal)]);
  over.abort();
  return outcomes;
}
