import { type CollectReply, PluginError } from '@tetris/common';
import type { Model } from '../store/catalog';
import type { Store } from '../store/store';
import { type Candidate, GreedyDual } from './greedy-dual';

export interface ReclaimOptions {
  bytesMax: number;
  modelTtlMs: number;
}

/** Room set aside for work under way. */
export interface Reservation {
  /** Changes what is set aside. @throws PluginError `ERR_STORE_FULL` where there is no room for it */
  resize(bytes: number): Promise<void>;
  release(): void;
}

/** What the reclaimer has to know of the rest. */
export interface ReclaimSurroundings {
  /** Uses of a model by leases; a used one never leaves. */
  usesOf: (modelKey: string) => number;
  /** Bytes in the store that are neither tensors nor graphs. */
  otherBytes: () => number;
  /** Told of each removal. */
  reclaimed: (bytes: number) => void;
}

/**
 * Keeps the store within its budget. Models that nobody holds stay until their keep-alive is over or room is needed;
 * unlinking cannot hurt a reader, whose mapping keeps its pages.
 */
export class Reclaimer {
  readonly #store: Store;
  readonly #options: ReclaimOptions;
  readonly #surroundings: ReclaimSurroundings;
  readonly #order = new GreedyDual();
  /** When each idle model was last in use, epoch ms. */
  readonly #idleSince = new Map<string, number>();
  readonly #reservations = new Set<{ bytes: number }>();

  constructor(store: Store, options: ReclaimOptions, surroundings: ReclaimSurroundings) {
    this.#store = store;
    this.#options = options;
    this.#surroundings = surroundings;
  }

  /** Bytes in the store, on their way out of it, and set aside. */
  get bytes(): number {
    const { catalog, trash } = this.#store;
    const reserved = [...this.#reservations].reduce((sum, { bytes }) => sum + bytes, 0);
    return catalog.bytes + trash.bytes + this.#surroundings.otherBytes() + reserved;
  }

  get bytesMax(): number {
    return this.#options.bytesMax;
  }

  /** A lease uses the model: its keep-alive begins anew when the last one ends. */
  used(modelKey: string): void {
    this.#order.touch(modelKey);
    this.#idleSince.delete(modelKey);
  }

  /** Sets room aside, reclaiming for it. @throws PluginError `ERR_STORE_FULL` */
  async reserve(bytes: number): Promise<Reservation> {
    const entry = { bytes: 0 };
    this.#reservations.add(entry);
    const resize = async (wanted: number): Promise<void> => {
      const growth = wanted - entry.bytes;
      // Counted while it waits, or two would wait for the same room.
      entry.bytes = wanted;
      try {
        if (growth > 0) await this.fit(growth);
      } catch (error) {
        entry.bytes -= growth;
        throw error;
      }
    };
    try {
      await resize(bytes);
    } catch (error) {
      this.#reservations.delete(entry);
      throw error;
    }
    return { resize, release: () => void this.#reservations.delete(entry) };
  }

  /** Removes models whose keep-alive is over, and tensors that outlived their last model by a view. */
  expire(nowMs: number): CollectReply {
    const total = this.#store.unlinkOrphans();
    for (const { modelKey } of this.#idle()) {
      const since = this.#idleSince.get(modelKey);
      if (since === undefined) this.#idleSince.set(modelKey, nowMs);
      else if (nowMs - since >= this.#options.modelTtlMs) add(total, this.#remove(modelKey));
    }
    return total;
  }

  /** Removes idle models, least worth first, until `bytes` are freed or none is left. */
  free(bytes: number): CollectReply {
    const total = { tensors: 0, bytes: 0 };
    if (bytes <= 0) return total;
    // Sizes as of now: that of a model grows when one that shares with it leaves, which the next call will see.
    const candidates = new Map(this.#idle().map((model) => [model.modelKey, candidateOf(model)]));
    while (total.bytes < bytes) {
      const victim = this.#order.victim(candidates.values());
      if (victim === undefined) break;
      candidates.delete(victim.key);
      this.#order.leave(victim);
      add(total, this.#remove(victim.key));
    }
    return total;
  }

  /** Brings the store within its budget for something of `bytes`, which are counted already. @throws PluginError `ERR_STORE_FULL` */
  async fit(bytes: number): Promise<void> {
    const { bytesMax } = this.#options;
    const { trash } = this.#store;
    this.free(this.bytes - trash.bytes - bytesMax);
    if (this.bytes > bytesMax) await trash.emptied();
    if (this.bytes <= bytesMax) return;
    const free = Math.max(0, bytesMax - this.bytes + bytes);
    throw new PluginError(
      'ERR_STORE_FULL',
      `the tensor store is full: ${bytes} bytes are needed, ${free} of ${bytesMax} are free, and the rest is in use`,
      { retriable: true },
    );
  }

  #idle(): Model[] {
    return [...this.#store.catalog.models()].filter(({ modelKey }) => this.#surroundings.usesOf(modelKey) === 0);
  }

  #remove(modelKey: string): CollectReply {
    this.#idleSince.delete(modelKey);
    const removed = this.#store.removeModel(modelKey);
    this.#surroundings.reclaimed(removed.bytes);
    return removed;
  }
}

function candidateOf({ modelKey, ingestMs, graphBytes, tensors }: Model): Candidate {
  const own = tensors.filter(({ models }) => models === 1);
  return { key: modelKey, cost: ingestMs, size: own.reduce((sum, { bytes }) => sum + bytes, graphBytes) };
}

function add(total: CollectReply, { tensors, bytes }: CollectReply): void {
  total.tensors += tensors;
  total.bytes += bytes;
}
