/** Feeds the fleet, the similarity index and the instance book from `Q+health` and the registry. */
import {
  type Bus,
  type InvokerStatus,
  type Logger,
  type Registry,
  type RegistryEvents,
  type Subscription,
  TOPIC_SETTINGS,
  type Topics,
  readPing,
} from '@tetris/common';
import type { BalancerMetrics } from '../metrics';
import type { InstanceBook } from '../placement/instances';
import type { SimilarityIndex } from '../placement/similarity';
import { readOrDrop } from '../unreadable';
import type { Fleet } from './fleet';

export interface WatchParts {
  bus: Bus;
  topics: Topics;
  registry: Registry;
  fleet: Fleet;
  instances: InstanceBook;
  similarity: SimilarityIndex;
  /** Called with each status too. */
  observe: (status: InvokerStatus) => void;
  metrics: BalancerMetrics;
  log: Logger;
  now: () => number;
}

/** Pings being handled at once; handling one takes microseconds. */
const PINGS_AT_ONCE = 128;

/** @param owner name of this load balancer: every one of them reads all pings. @returns stops watching */
export async function watchFleet(parts: WatchParts, owner: string): Promise<() => Promise<void>> {
  const pings = await watchPings(parts, owner);
  const unsubscribe = await parts.registry.watch(registryEvents(parts));
  return async () => {
    unsubscribe();
    await pings.stop();
  };
}

async function watchPings(parts: WatchParts, owner: string): Promise<Subscription> {
  const { bus, topics, fleet, metrics, log, now } = parts;
  await bus.ensureTopic(topics.health, TOPIC_SETTINGS.health);
  return bus.subscribe({
    topic: topics.health,
    group: `${topics.health}-${owner}`,
    from: 'latest',
    capacity: PINGS_AT_ONCE,
    handler: ({ value }) => {
      const source = { kind: 'health', what: 'ping', from: topics.health } as const;
      const ping = readOrDrop(readPing, value, source, { metrics, log });
      if (ping !== undefined) fleet.ping(ping, now());
    },
  });
}

/** What is done with what the registry tells. */
export function registryEvents({
  fleet,
  instances,
  similarity,
  observe,
  now,
}: Pick<WatchParts, 'fleet' | 'instances' | 'similarity' | 'observe' | 'now'>): RegistryEvents {
  return {
    inventory: (node, { tensors }) => similarity.setInventory(node, tensors),
    inventoryDelta: (node, { added, removed }) => similarity.changeInventory(node, added, removed),
    manifest: (action, manifest) => similarity.setManifest(action, manifest),
    status: (status) => {
      const invoker = fleet.status(status, now());
      if (invoker === undefined) return;
      observe(status);
      invoker.nodeIndex = similarity.nodeIndex(status.node);
      similarity.setLiving(
        status.instance,
        status.node,
        status.warm.map(({ action }) => action),
      );
      instances.observe(invoker, status.warm, now());
    },
  };
}
