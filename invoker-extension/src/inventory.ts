/** The node's tensors, from its daemon to the registry, for placement. */
import { type DaemonOperator, errorMessage, type Logger, type Registry } from '@tetris/common';

export interface InventoryOptions {
  daemon: Pick<DaemonOperator, 'inventory'>;
  registry: Pick<Registry, 'publishInventory' | 'publishInventoryDelta'>;
  node: string;
  log: Logger;
  intervalMs: number;
  /** A whole snapshot goes out so often, for a registry that has forgotten everything. */
  snapshotIntervalMs: number;
}

export class InventoryPublisher {
  readonly #options: InventoryOptions;
  /** What the registry has; undefined asks for a snapshot. */
  #sequence: number | undefined;
  #snapshotAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(options: InventoryOptions) {
    this.#options = options;
  }

  start(): void {
    void this.publish();
    this.#timer = setInterval(() => void this.publish(), this.#options.intervalMs).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }

  /** Publishes what has changed. One round at a time; never rejects. */
  async publish(): Promise<void> {
    this.#running ??= this.#round().finally(() => (this.#running = undefined));
    await this.#running;
  }

  async #round(): Promise<void> {
    const { daemon, registry, node, snapshotIntervalMs, log } = this.#options;
    const due = performance.now() - this.#snapshotAtMs >= snapshotIntervalMs;
    try {
      const reply = await daemon.inventory(due ? undefined : this.#sequence);
      if ('snapshot' in reply) {
        await registry.publishInventory(node, reply.snapshot);
        this.#sequence = reply.snapshot.sequence;
        this.#snapshotAtMs = performance.now();
        return;
      }
      for (const delta of reply.deltas) {
        await registry.publishInventoryDelta(node, delta);
        this.#sequence = delta.sequence;
      }
    } catch (error) {
      // Where it is not known what arrived, everything is sent again.
      this.#sequence = undefined;
      log.debug({ reason: errorMessage(error) }, 'inventory not published');
    }
  }
}
