/**
 * What placement by similarity is compared with: a function's home by hash and the walk from there, as OpenWhisk does,
 * with what no hash has: it knows each node's memory to the byte, and where instances are.
 */
import { type Fleet, homeHash, homeWalk, type Placement, type PlacementRequest } from '@tetris/load-balancer';
import type { PlacementPolicy } from './balancer';
import type { SimulatedFunction } from './functions';
import type { SimulatedNode } from './node';

export function hashPolicy(
  nodes: readonly SimulatedNode[],
  functions: ReadonlyMap<string, SimulatedFunction>,
): (fleet: Fleet) => PlacementPolicy {
  /** By action and node, requests sent and not ended. */
  const inFlight = new Map<string, Map<number, number>>();
  return (fleet) => ({
    place: ({ namespace, action, concurrency }: PlacementRequest, nowMs): Placement => {
      const of = functions.get(action) as SimulatedFunction;
      const sent = inFlight.get(action) ?? new Map<number, number>();
      inFlight.set(action, sent);
      const hasPlace = ([at, count]: [number, number]): boolean => count < (nodes[at]?.livingOf(of) ?? 0) * concurrency;
      const walk = [...homeWalk(homeHash(namespace, action), nodes.length)];
      const at = [...sent].find(hasPlace)?.[0] ?? walk.find((each) => nodes[each]?.hasBytesFor(of)) ?? walk[0] ?? 0;
      const invoker = fleet.get(at);
      if (invoker === undefined || !fleet.isUsable(invoker, nowMs)) return { outcome: 'absent' };
      sent.set(at, (sent.get(at) ?? 0) + 1);
      return { outcome: 'home', invoker, theta: 0, release: () => void sent.set(at, (sent.get(at) ?? 1) - 1) };
    },
  });
}
