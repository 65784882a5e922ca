import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { DaemonClient, GraphOptions, Lease } from '@tetris/common';
import { asPluginError, errorMessage, isPluginError } from '@tetris/common/errors';
import type { DaemonModel } from './model-source';

/** How leases are asked for. */
export interface LeaseSettings {
  /** Folder in which views are found. */
  views: string;
  /** The instance's token; '' lets the daemon make one. */
  instance: string;
  /** Invoking namespace; '' where unknown. */
  namespace: string;
  /** Pause between attempts to renew a lease that the daemon ended, and their number. */
  retryMs: number;
  retriesMax: number;
}

/** A use of a shared model; the lease lasts until the last use is given back. */
export interface SharedModel {
  /** Path of the graph; leases the model again where the lease was lost. */
  locate: () => Promise<string>;
  /** Bytes of its tensors in the store. */
  tensorBytes: number;
  /** Idempotent. */
  release: () => void;
}

interface Entry {
  uses: number;
  lease: Promise<Lease>;
}

/**
 * The leases of an instance: one per model and graph options, whoever asks how often.
 *
 * A lease that ends from the daemon's side (it was restarted) is renewed: the mapped tensors stay valid meanwhile, and
 * the new lease tells the daemon that they are in use.
 */
export class SharedModels {
  readonly #client: DaemonClient;
  readonly #settings: LeaseSettings;
  readonly #entries = new Map<string, Entry>();

  constructor(client: DaemonClient, settings: LeaseSettings) {
    this.#client = client;
    this.#settings = settings;
  }

  /** @throws PluginError with the daemon's code, its text naming the model */
  async acquire(name: string, model: DaemonModel, graph: GraphOptions): Promise<SharedModel> {
    const key = JSON.stringify([
      model.source,
      graph.graphOptimizationLevel,
      Object.entries(graph.freeDimensionOverrides).sort(),
    ]);
    const entry = this.#entries.get(key) ?? this.#open(key, () => this.#lease(name, model, graph));
    entry.uses += 1;
    let held = true;
    const release = (): void => {
      if (!held) return;
      held = false;
      entry.uses -= 1;
      if (entry.uses === 0) this.#close(key, entry);
    };
    let tensorBytes;
    try {
      ({ tensorBytes } = await entry.lease);
    } catch (error) {
      release();
      throw error;
    }
    return { tensorBytes, locate: async () => path.join(this.#settings.views, (await entry.lease).view), release };
  }

  #open(key: string, lease: () => Promise<Lease>): Entry {
    const entry: Entry = { uses: 0, lease: lease() };
    this.#entries.set(key, entry);
    void this.#keep(key, entry, lease);
    return entry;
  }

  #close(key: string, entry: Entry): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
    entry.lease.then((lease) => lease.release()).catch(() => undefined);
  }

  /** Renews the lease for as long as the entry is used. */
  async #keep(key: string, entry: Entry, lease: () => Promise<Lease>): Promise<void> {
    const { retryMs, retriesMax } = this.#settings;
    for (let attempt = 0; attempt < retriesMax; attempt++) {
      try {
        const granted = await entry.lease;
        attempt = 0;
        await granted.ended;
        if (this.#entries.get(key) !== entry) return;
      } catch (error) {
        // The first attempt's failure is the caller's to see; a renewal is tried again.
        if (this.#entries.get(key) !== entry || entry.uses === 0 || !isPluginError(error)) return;
      }
      await setTimeout(retryMs, undefined, { ref: false });
      if (this.#entries.get(key) !== entry) return;
      entry.lease = lease();
    }
    // Given up: the next one who asks starts anew.
    this.#entries.delete(key);
  }

  async #lease(name: string, { source, uploads }: DaemonModel, graph: GraphOptions): Promise<Lease> {
    const { instance, namespace } = this.#settings;
    const wanted = {
      name,
      source,
      graph,
      ...(instance === '' ? {} : { instance }),
      ...(namespace === '' ? {} : { namespace }),
    };
    try {
      return await this.#client.lease(wanted);
    } catch (error) {
      if (!isPluginError(error, 'ERR_MODEL_UNKNOWN') || uploads.length === 0) throw named(name, error);
    }
    for (const open of uploads) await this.#client.upload(open(), instance);
    try {
      return await this.#client.lease(wanted);
    } catch (error) {
      throw named(name, error);
    }
  }
}

/** An error about a model says which. */
function named(name: string, error: unknown): Error {
  const plugin = asPluginError(error);
  if (plugin.code === 'ERR_DAEMON_UNAVAILABLE') return plugin;
  if (!plugin.message.includes(name)) plugin.message = `Load model from ${name} failed: ${errorMessage(error)}`;
  return plugin;
}
