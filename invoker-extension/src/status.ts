/** This invoker's state for the load balancer: once a second, and soon after every change. */
import {
  errorMessage,
  type InvokerStatus,
  type Logger,
  type NodeReport,
  type Registry,
  type WarmInstance,
} from '@tetris/common';
import { RESTING_LEVELS } from './instances/idle-level';
import { type Instance, stateShown } from './instances/instance-record';
import { INSTANCE_STATES } from './instances/instance-state';
import type { Pool } from './instances/pool';
import type { InvokerMetrics } from './metrics';
import type { InstanceSettings } from './scaling/settings';

export interface StatusOptions<Ticket> {
  pool: Pool<Ticket>;
  registry: Pick<Registry, 'publishStatus'>;
  instance: number;
  node: string;
  /** See {@link InvokerStatus.peer}; empty: there is none. */
  peer: string;
  /** See {@link InvokerStatus.oldestStartMs}. */
  oldestStartMs: () => number | null;
  /** See {@link InvokerStatus.readUpTo}. */
  readUpTo: () => number | undefined;
  metrics: InvokerMetrics;
  log: Logger;
  nowMs: () => number;
  intervalMs: number;
  /** Changes closer together are published as one, ms. */
  throttleMs: number;
}

export class StatusPublisher<Ticket> {
  readonly #options: StatusOptions<Ticket>;
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #draining = false;

  constructor(options: StatusOptions<Ticket>) {
    this.#options = options;
  }

  start(): void {
    void this.publish();
    this.#timer = setInterval(() => void this.publish(), this.#options.intervalMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
  }

  /** Something has changed. */
  changed(): void {
    this.#soon ??= setTimeout(() => void this.publish(), this.#options.throttleMs).unref();
  }

  async draining(): Promise<void> {
    this.#draining = true;
    await this.publish();
  }

  /** @param report what people are told with it */
  async publish(report?: NodeReport): Promise<void> {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    const { registry, log } = this.#options;
    try {
      await registry.publishStatus({ ...this.status(), ...(report !== undefined && { report }) });
    } catch (error) {
      log.debug({ reason: errorMessage(error) }, 'status not published');
    }
  }

  status(): InvokerStatus {
    const { pool, instance, node, peer, nowMs, oldestStartMs } = this.#options;
    const readUpTo = this.#options.readUpTo();
    const { freedBytes, freedTensorBytes } = pool.reclaimable();
    this.#count();
    return {
      instance,
      node,
      atMs: nowMs(),
      memoryBytes: pool.memory.budgetBytes,
      memoryUsedBytes: pool.memory.usedBytes,
      memoryReclaimableBytes: freedBytes,
      memoryReclaimableTensorBytes: freedTensorBytes,
      running: pool.running,
      waiting: pool.waiting,
      oldestStartMs: oldestStartMs(),
      warm: warmInstances(pool.instances()),
      draining: this.#draining,
      runsOnce: true,
      ...(readUpTo !== undefined && { readUpTo }),
      ...(peer !== '' && { peer }),
    };
  }

  #count(): void {
    const { metrics, pool } = this.#options;
    const counts = new Map<string, number>();
    metrics.shapes.reset();
    for (const instance of pool.instances()) {
      const [state, { settings }] = [stateShown(instance), instance];
      counts.set(state, (counts.get(state) ?? 0) + 1);
      if (settings.sloMs !== undefined) metrics.shapes.inc(shapeLabels(settings));
    }
    for (const state of [...INSTANCE_STATES, ...RESTING_LEVELS])
      metrics.instances.set({ state }, counts.get(state) ?? 0);
    metrics.waiting.set(pool.waiting);
    for (const [kind, bytes] of Object.entries(pool.memory.bytesByKind())) metrics.memory.set({ kind }, bytes);
    metrics.memoryBudget.set(pool.memory.budgetBytes);
  }
}

const shapeLabels = ({
  workers,
  threads,
  batch,
}: InstanceSettings): Record<'workers' | 'threads' | 'batch', string> => ({
  workers: String(workers),
  threads: String(threads),
  batch: String(batch),
});

/** One entry a group: its instances added up. One on its way up counts with what it will hold. */
function warmInstances(instances: Iterable<Readonly<Instance<unknown>>>): WarmInstance[] {
  const groups = new Map<string, WarmInstance>();
  for (const { state, group, settings, running } of instances) {
    if (state === 'draining' || state === 'ending' || state === 'gone') continue;
    const { key, revision, namespace } = group.description;
    const known = groups.get(key) ?? { action: revision, namespace, capacity: 0, inUse: 0 };
    known.capacity += settings.room;
    known.inUse += running.size;
    groups.set(key, { ...known, ...group.service });
  }
  return [...groups.values()];
}
