/** Which activations no invoker will answer. Pure. */
import type { Fleet } from '../fleet/fleet';
import type { Invoker } from '../fleet/invoker';
import type { InFlightTable, Tracked } from '../in-flight/table';

export interface LossRules {
  /** Silence after which an invoker is given up, and by how much clocks may differ, ms. */
  silenceMs: number;
  /** An activation that its invoker has not had for so long has not reached it, ms. */
  lostMs: number;
}

export interface Loss {
  activationId: string;
  /** Completes "The activation ...". */
  reason: string;
}

/**
 * Two signs: the invoker is gone (after a recovery: has not been heard of for as long as silence takes to tell), or it
 * lives but has said for longer than any delivery takes that it does not have the activation, as after a restart
 * between two pings. Called once a second.
 */
export function lostActivations(table: InFlightTable, fleet: Fleet, rules: LossRules, nowMs: number): Loss[] {
  return table.invokers().flatMap((instance) => {
    const invoker = fleet.get(instance);
    const gone = invoker === undefined || !invoker.online;
    const sentByMs = invoker === undefined ? nowMs - rules.silenceMs : nowMs;
    const lost = table
      .ofInvoker(instance, sentByMs)
      .filter((tracked) => gone || isAbsentForLong(tracked, invoker, rules, nowMs));
    const reason = gone
      ? `was lost with invoker ${instance}`
      : `is not on invoker ${instance}, which should have had it`;
    return lost.map(({ entry }) => ({ activationId: entry.activationId, reason }));
  });
}

/**
 * A topic is read in order: an invoker whose oldest activation began after this one was handed on has read past it. So
 * it is not there, whatever else runs.
 */
function isAbsentForLong(tracked: Tracked, invoker: Invoker, { silenceMs, lostMs }: LossRules, nowMs: number): boolean {
  const { oldestStartMs } = invoker;
  const isAbsent = oldestStartMs !== undefined && oldestStartMs > tracked.sentMs + silenceMs;
  tracked.absentSinceMs = isAbsent ? (tracked.absentSinceMs ?? nowMs) : undefined;
  return tracked.absentSinceMs !== undefined && nowMs - tracked.absentSinceMs >= lostMs;
}
