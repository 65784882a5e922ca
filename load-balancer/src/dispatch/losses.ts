/** Which activations no invoker will answer. Pure. */
import type { Fleet } from '../fleet/fleet';
import type { Invoker } from '../fleet/invoker';
import type { InFlightTable } from '../in-flight/table';

export interface LossRules {
  /** Silence after which an invoker is given up, ms. */
  silenceMs: number;
  /** An invoker that has said for so long that nothing runs there has not got what was sent before, ms. */
  lostMs: number;
}

export interface Loss {
  activationId: string;
  /** Completes "The activation ...". */
  reason: string;
}

/**
 * Two signs: the invoker is gone (after a recovery: has not been heard of for as long as silence takes to tell), or it
 * lives but has said for longer than any delivery takes that it has nothing to do, as after a restart between two pings.
 */
export function lostActivations(table: InFlightTable, fleet: Fleet, rules: LossRules, nowMs: number): Loss[] {
  return table.invokers().flatMap((instance) => {
    const invoker = fleet.get(instance);
    const gone = invoker === undefined || !invoker.online;
    if (!gone && !isIdle(invoker, rules.lostMs, nowMs)) return [];
    const sentByMs = invoker === undefined ? nowMs - rules.silenceMs : gone ? nowMs : nowMs - rules.lostMs;
    const reason = gone
      ? `was lost with invoker ${instance}`
      : `never finished on invoker ${instance}, which has nothing to do`;
    return table.ofInvoker(instance, sentByMs).map(({ entry }) => ({ activationId: entry.activationId, reason }));
  });
}

function isIdle({ idleSinceMs }: Invoker, lostMs: number, nowMs: number): boolean {
  return idleSinceMs !== undefined && nowMs - idleSinceMs > lostMs;
}
