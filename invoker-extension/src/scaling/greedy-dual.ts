/**
 * Keep-alive as greedy-dual caching, after FaasCache (ASPLOS '21): an instance is worth
 * `clock + frequency x start cost / size`; the least worth leaves first, and the clock rises to what left, so that
 * what was popular once does not stay for ever. Instances leave when memory is wanted or the bound on time is reached.
 * Pure.
 */
import { LRUCache } from 'lru-cache';
import type { IdleInstance, KeepAlivePolicy } from './keep-alive';

export interface GreedyDualOptions {
  /** Longest idle time however much room there is, ms. */
  keepMsMax: number;
  /** Actions remembered; the one not seen for longest is forgotten. */
  groupsMax: number;
}

interface Use {
  frequency: number;
  /** The clock at the last arrival: what the worth starts from. */
  clock: number;
}

const BYTES_PER_MB = 1024 ** 2;

export class GreedyDualKeepAlive implements KeepAlivePolicy {
  readonly #options: GreedyDualOptions;
  readonly #uses: LRUCache<string, Use>;
  #clock = 0;

  constructor(options: GreedyDualOptions) {
    this.#options = options;
    this.#uses = new LRUCache({ max: options.groupsMax });
  }

  arrived(group: string): void {
    const frequency = (this.#uses.peek(group)?.frequency ?? 0) + 1;
    this.#uses.set(group, { frequency, clock: this.#clock });
  }

  keepMs(): number {
    return this.#options.keepMsMax;
  }

  priority({ group, startMs, bytes }: IdleInstance): number {
    const { frequency, clock } = this.#uses.peek(group) ?? { frequency: 1, clock: 0 };
    return clock + (frequency * Math.max(1, startMs)) / Math.max(1, bytes / BYTES_PER_MB);
  }

  evicted(instance: IdleInstance): void {
    this.#clock = Math.max(this.#clock, this.priority(instance));
    // The action starts over: what it had gathered is spent.
    this.#uses.delete(instance.group);
  }
}
