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
  resize(bytes: number): void;
  release(): void;
}

/**
 * Keeps the store within its budget. Models that nobody holds stay until their keep-alive is over or room is needed;
 * unlinking cannot hurt a reader, whose mapping keeps its pages.
 */
export class Reclaimer {
  readonly #store: Store;
  readonly #options: ReclaimOptions;
  /** Uses of a model by leases; a used one never leaves. */
  readonly #usesOf: (modelKey: string) => number;
  readonly #order = new GreedyDual();
  /** When each idle model was last in use, epoch ms. */
  readonly #idleSince = new Map<string, number>();
  readonly #reservations = new Set<{ bytes: number }>();

  constructor(store: Store, options: ReclaimOptions, usesOf: (modelKey: string) => number) {
    this.#store = store;
    this.#options = options;
    this.#usesOf = usesOf;
  }

  /** Bytes in the store and set aside. */
  get bytes(): number {
    return [...this.#reservations].reduce((sum, { bytes }) => sum + bytes, this.#store.catalog.bytes);
  }

  get bytesMax(): number {
    return this.#options.bytesMax;
  }

  /** A lease uses the model: its keep-alive begins anew when the last one ends. */
  used(modelKey: string): void {
    this.#order.touch(modelKey);
    this.#idleSince.delete(modelKey);
  }

  reserve(bytes: number): Reservation {
    const entry = { bytes: 0 };
    const resize = (wanted: number): void => {
      entry.bytes = 0;
      this.#makeRoom(wanted);
      entry.bytes = wanted;
    };
    resize(bytes);
    this.#reservations.add(entry);
    return { resize, release: () => void this.#reservations.delete(entry) };
  }

  /** Removes models whose keep-alive is over. */
  expire(nowMs: number): CollectReply {
    const total = { tensors: 0, bytes: 0 };
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

  #makeRoom(bytes: number): void {
    const { bytesMax } = this.#options;
    this.free(this.bytes + bytes - bytesMax);
    if (this.bytes + bytes <= bytesMax) return;
    throw new PluginError(
      'ERR_STORE_FULL',
      `the tensor store is full: ${bytes} bytes are needed, ${Math.max(0, bytesMax - this.bytes)} of ${bytesMax} are free and all models are in use`,
      { retriable: true },
    );
  }

  #idle(): Model[] {
    return [...this.#store.catalog.models()].filter(({ modelKey }) => this.#usesOf(modelKey) === 0);
  }

  #remove(modelKey: string): CollectReply {
    this.#idleSince.delete(modelKey);
    return this.#store.removeModel(modelKey);
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
