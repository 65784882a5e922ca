/**
 * Which load balancer pulls a queue that has come about: one of those that are up, by highest random weight. Two would be
 * two containers to the namespace's limit. Where two of them see different ones as up, orders make up for it.
 */
import { createHash } from 'node:crypto';
import type { Etcd, EtcdEntry } from '@tetris/common';
import type { EtcdKeys } from './etcd-keys';

export interface QueueShareOptions {
  invoker: number;
  /** By which load balancers know each other among the invokers. */
  tags: readonly string[];
}

export class QueueShare {
  readonly #etcd: Etcd;
  readonly #keys: EtcdKeys;
  readonly #options: QueueShareOptions;
  /** Ids of the load balancers that are up. */
  readonly #up = new Set<number>();
  #unwatch: (() => void) | undefined;

  constructor(etcd: Etcd, keys: EtcdKeys, options: QueueShareOptions) {
    this.#etcd = etcd;
    this.#keys = keys;
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#unwatch = await this.#etcd.watch(this.#keys.invokers, {
      present: (entries) => {
        this.#up.clear();
        for (const entry of entries) this.#put(entry);
      },
      put: (entry) => this.#put(entry),
      deleted: (key) => this.#up.delete(this.#keys.invokerOf(key)),
    });
  }

  stop(): void {
    this.#unwatch?.();
  }

  /** @param queue the key of its leader */
  isOurs(queue: string): boolean {
    const weights = [...this.#up].map((invoker) => ({ invoker, weight: weightOf(invoker, queue) }));
    weights.sort((one, other) => (one.weight < other.weight ? 1 : -1));
    return weights[0]?.invoker === this.#options.invoker;
  }

  #put({ key, value }: EtcdEntry): void {
    const invoker = this.#keys.invokerOf(key);
    if (isUp(value, this.#options.tags)) this.#up.add(invoker);
    else this.#up.delete(invoker);
  }
}

const weightOf = (invoker: number, queue: string): string =>
  createHash('sha1').update(`${invoker} ${queue}`).digest('hex');

/** Stock invokers write the same, with other tags. */
function isUp(value: string, tags: readonly string[]): boolean {
  try {
    const state = JSON.parse(value) as { status?: unknown; tags?: unknown };
    return state.status === 'up' && JSON.stringify(state.tags) === JSON.stringify(tags);
  } catch {
    return false;
  }
}
