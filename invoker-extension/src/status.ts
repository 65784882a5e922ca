/** This invoker's state for the load balancer: once a second, and soon after every change. */
import { errorMessage, type InvokerStatus, type Logger, type Registry, type WarmInstance } from '@tetris/common';
import type { Instance } from './containers/instance-record';
import { INSTANCE_STATES } from './containers/instance-state';
import type { Pool } from './containers/pool';
import type { InvokerMetrics } from './metrics';

export interface StatusOptions<Ticket> {
  pool: Pool<Ticket>;
  registry: Pick<Registry, 'publishStatus'>;
  instance: number;
  node: string;
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

  async publish(): Promise<void> {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    const { registry, log } = this.#options;
    try {
      await registry.publishStatus(this.status());
    } catch (error) {
      log.debug({ reason: errorMessage(error) }, 'status not published');
    }
  }

  status(): InvokerStatus {
    const { pool, instance, node, nowMs } = this.#options;
    this.#count();
    return {
      instance,
      node,
      atMs: nowMs(),
      memoryBytes: pool.memory.budgetBytes,
      memoryUsedBytes: pool.memory.usedBytes,
      memoryReclaimableBytes: pool.idleBytes,
      running: pool.running,
      waiting: pool.waiting,
      warm: warmInstances(pool.instances()),
      draining: this.#draining,
    };
  }

  #count(): void {
    const { metrics, pool } = this.#options;
    const counts = new Map<string, number>();
    for (const { state } of pool.instances()) counts.set(state, (counts.get(state) ?? 0) + 1);
    for (const state of INSTANCE_STATES) metrics.instances.set({ state }, counts.get(state) ?? 0);
    metrics.waiting.set(pool.waiting);
    metrics.memoryUsedBytes.set(pool.memory.usedBytes);
  }
}

/** One entry a group: its instances' rooms added up. An instance on its way up counts with the room it will have. */
function warmInstances(instances: Iterable<Readonly<Instance<unknown>>>): WarmInstance[] {
  const groups = new Map<string, WarmInstance>();
  for (const { state, group, settings, running } of instances) {
    if (state === 'draining' || state === 'ending' || state === 'gone') continue;
    const { key, revision, namespace } = group.description;
    const known = groups.get(key) ?? { action: revision, namespace, room: 0 };
    known.room += Math.max(0, settings.room - running.size);
    groups.set(key, known);
  }
  return [...groups.values()];
}
