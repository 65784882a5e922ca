import { type CollectReply, PluginError } from '@tetris/common';
import type { Model } from './catalog';
import type { Store } from './store';
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
export interface ReclaimHooks {
  /** Uses of a model by leases; a used one never leaves. */
  usesOf: (modelKey: string) => number;
  /** Bytes in the store that are neither tensors nor graphs. */
  otherBytes: () => number;
  /** Told of each removal. */
  reclaimed: (bytes: number) => void;
  /**
   * Keeps a model that is about to leave somewhere below; it leaves when this settles. Without it, models are
   * forgotten.
   */
  demote?: (model: Model) => Promise<void>;
}

/**
 * Keeps the store within its budget. Models that nobody holds stay until their keep-alive is over or room is needed;
 * unlinking cannot hurt a reader, whose mapping keeps its pages.
 */
export class Reclaimer {
  readonly #store: Store;
  readonly #options: ReclaimOptions;
  readonly #hooks: ReclaimHooks;
  readonly #order = new GreedyDual();
  /** When each idle model was last in use, epoch ms. */
  readonly #idleSince = new Map<string, number>();
  readonly #reservations = new Set<{ bytes: number }>();
  /** Bytes that each model frees which is on its way out. */
  readonly #leaving = new Map<string, number>();
  /** The last departure. */
  #departures: Promise<unknown> = Promise.resolve();

  constructor(store: Store, options: ReclaimOptions, hooks: ReclaimHooks) {
    this.#store = store;
    this.#options = options;
    this.#hooks = hooks;
    store.catalog.onModelRemoved((modelKey) => {
      this.#order.forget(modelKey);
      this.#idleSince.delete(modelKey);
    });
  }

  /** Bytes in the store, on their way out of it, and set aside. */
  get bytes(): number {
    const { catalog, trash } = this.#store;
    const reserved = [...this.#reservations].reduce((sum, { bytes }) => sum + bytes, 0);
    return catalog.bytes + trash.bytes + this.#hooks.otherBytes() + reserved;
  }

  get bytesMax(): number {
    return this.#options.bytesMax;
  }

  /** A lease uses the model: its keep-alive begins anew when the last one ends. */
  used(modelKey: string): void {
    this.#idleSince.delete(modelKey);
    if (this.#store.catalog.model(modelKey) !== undefined) this.#order.touch(modelKey);
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

  /** Lets models go whose keep-alive is over, and tensors that outlived their last model by a view. */
  async expire(nowMs: number): Promise<CollectReply> {
    const { trash } = this.#store;
    if (trash.mappedBytes > 0) await trash.settle();
    const total = await this.#store.unlinkOrphansInSteps();
    const expired = this.#idle().filter(({ modelKey }) => {
      const since = this.#idleSince.get(modelKey) ?? nowMs;
      this.#idleSince.set(modelKey, since);
      return nowMs > since && nowMs - since >= this.#options.modelTtlMs;
    });
    add(total, await this.#letGo(expired));
    return total;
  }

  /**
   * Lets idle models go, least worth first, until `bytes` are freed or none is left. What is leaving already counts.
   */
  async free(bytes: number): Promise<CollectReply> {
    let missing = bytes - this.#store.trash.pendingBytes - this.#leavingBytes;
    // Sizes as of now: that of a model grows when one that shares with it leaves, which the next call will see.
    const models = new Map(this.#idle().map((model) => [model.modelKey, model]));
    const candidates = new Map([...models].map(([key, model]) => [key, candidateOf(model)]));
    const victims: Model[] = [];
    while (missing > 0) {
      const victim = this.#order.victim(candidates.values());
      if (victim === undefined) break;
      candidates.delete(victim.key);
      this.#order.leave(victim);
      missing -= victim.size;
      const model = models.get(victim.key);
      if (model !== undefined) victims.push(model);
    }
    return this.#letGo(victims);
  }

  /**
   * Brings the store within its budget for something of `bytes`, which are counted already. @throws PluginError
   * `ERR_STORE_FULL`
   */
  async fit(bytes: number): Promise<void> {
    const { bytesMax } = this.#options;
    const { trash } = this.#store;
    // A model that is used again while it is leaving stays; then another has to go.
    while (this.bytes > bytesMax) {
      const { bytes: freed } = await this.free(this.bytes - bytesMax);
      const waiting = this.#leaving.size > 0 || trash.pendingBytes > 0;
      await this.#departures;
      await trash.emptied();
      if (freed === 0 && !waiting) break;
    }
    if (this.bytes > bytesMax && trash.mappedBytes > 0) await trash.settle();
    if (this.bytes <= bytesMax) return;
    const free = Math.max(0, bytesMax - this.bytes + bytes);
    throw new PluginError(
      'ERR_STORE_FULL',
      `the tensor store is full: ${bytes} bytes are needed, ${free} of ${bytesMax} are free, and the rest is in use`,
      { retriable: true },
    );
  }

  /** Models that nobody holds, that are not leaving already, and whose removal has not just failed. */
  #idle(): Model[] {
    const { catalog, cleanups } = this.#store;
    return [...catalog.models()].filter(
      ({ modelKey }) =>
        this.#hooks.usesOf(modelKey) === 0 && !this.#leaving.has(modelKey) && !cleanups.has(cleanupOf(modelKey)),
    );
  }

  get #leavingBytes(): number {
    return [...this.#leaving.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Models leave one after the other, in small steps. @returns what went when all of these have */
  async #letGo(models: readonly Model[]): Promise<CollectReply> {
    const total = { tensors: 0, bytes: 0 };
    for (const model of models) this.#leaving.set(model.modelKey, candidateOf(model).size);
    const departures = models.map((model) => {
      const departure = this.#departures.then(() => this.#depart(model)).then((gone) => add(total, gone));
      this.#departures = departure.catch(() => undefined);
      return departure;
    });
    await Promise.all(departures);
    return total;
  }

  /** A removal that fails is done again later, where the model is still idle then. */
  async #depart(model: Model): Promise<CollectReply> {
    const { modelKey } = model;
    const total = { tensors: 0, bytes: 0 };
    try {
      if (!this.#wanted(model)) await this.#hooks.demote?.(model);
      await this.#store.cleanups.attempt(cleanupOf(modelKey), async () => {
        if (this.#wanted(model)) return;
        const removed = await this.#store.removeModelInSteps(modelKey);
        this.#hooks.reclaimed(removed.bytes);
        add(total, removed);
      });
      return total;
    } finally {
      this.#leaving.delete(modelKey);
    }
  }

  /** Somebody uses it again, or it is another one by now. */
  #wanted(model: Model): boolean {
    return this.#hooks.usesOf(model.modelKey) > 0 || this.#store.catalog.model(model.modelKey) !== model;
  }
}

function cleanupOf(modelKey: string): string {
  return `model ${modelKey}`;
}

function candidateOf({ modelKey, ingestMs, graphBytes, tensors }: Model): Candidate {
  const own = tensors.filter(({ models }) => models === 1);
  return { key: modelKey, cost: ingestMs, size: own.reduce((sum, { bytes }) => sum + bytes, graphBytes) };
}

function add(total: CollectReply, { tensors, bytes }: CollectReply): void {
  total.tensors += tensors;
  total.bytes += bytes;
}
