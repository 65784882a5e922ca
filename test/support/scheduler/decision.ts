/** How many containers a scheduler orders for one queue, every 100 ms. Source: OpenWhisk `SchedulingDecisionMaker.scala`. */
export interface QueueState {
  /** Messages that wait, and those of them for longer than {@link STALE_MS}. */
  waiting: number;
  stale: number;
  /** Containers of this queue, and orders under way. */
  existing: number;
  ordered: number;
  /** The same of the whole namespace. */
  existingInNamespace: number;
  orderedInNamespace: number;
  /** Containers a namespace may have. */
  limit: number;
  /** Activations at once in a container. */
  concurrency: number;
  /** Mean of the last `lastDuration`, ms; undefined: none was told. */
  meanMs: number | undefined;
}

export type Decision = { order: number; throttle: boolean };

export const STALE_MS = 100;

export function decide(state: QueueState): Decision {
  const { existing, ordered, waiting, limit } = state;
  const capacity = limit - state.existingInNamespace - state.orderedInNamespace;
  if (capacity <= 0) return { order: 0, throttle: existing + ordered > 0 || waiting > 0 };
  return { order: Math.max(0, Math.min(wanted(state), capacity)), throttle: false };
}

function wanted({ waiting, stale, existing, ordered, concurrency, meanMs }: QueueState): number {
  const present = existing + ordered;
  if (present === 0) return waiting > 0 ? 1 : 0;
  if (meanMs === undefined) return stale > 0 ? Math.ceil(stale / concurrency) - ordered : 0;
  const throughput = meanMs <= 0 ? concurrency : (STALE_MS / meanMs) * concurrency;
  const fresh = waiting - stale;
  const forFresh = fresh >= throughput * present && present < fresh && meanMs > 0 ? fresh / throughput - present : 0;
  const forStale = stale > 0 ? Math.min(Math.ceil(stale / throughput), stale) - ordered : 0;
  return Math.ceil(Math.max(0, forFresh) + Math.max(0, forStale));
}
