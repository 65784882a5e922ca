import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { DaemonClient, GraphOptions, Lease } from '@tetris/common';
import { isPluginError } from '@tetris/common/errors';
import { retry } from '@tetris/common/flow';
import type { DaemonModel } from './daemon-model';
import { NotShared } from './not-shared';
import { type Patience, type Progressing, waitFor } from './patience';

/** How leases are asked for. */
export interface LeaseSettings {
  /** Folder in which views are found. */
  views: string;
  /** The instance's token; '' lets the daemon make one. */
  instance: string;
  /** Invoking namespace; '' where unknown. */
  namespace: string;
  /** `/namespace/name`, by which operators know a model beside its file; '' where unknown. */
  actionName: string;
  /** Pause between attempts to renew a lease that the daemon ended, and their number. */
  retryMs: number;
  retriesMax: number;
  /** Longest pause between attempts where the daemon has too much to do at the moment, and their number. */
  busyRetryMs: number;
  busyAttemptsMax: number;
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
  /** Told of each word of the daemon. */
  listeners: Set<() => void>;
  /** What the daemon has refused it for, while it is asked again. */
  refusal?: unknown;
}

/** What is told of a lease on its way. */
interface LeaseEvents {
  /** A word of the daemon came. */
  heard: () => void;
  /** It has refused, and is asked again. */
  refused: (error: unknown) => void;
}

/** Longest name of a lease, for messages and listings. */
const NAME_CHARS_MAX = 1024;

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

  /**
   * @param patience where it ends, the daemon goes on, so that the next one who asks finds the model
   * @throws PluginError with the daemon's code; NotShared `daemon-slow`, where it has said nothing else
   */
  async acquire(name: string, model: DaemonModel, graph: GraphOptions, patience: Patience): Promise<SharedModel> {
    const key = JSON.stringify([
      model.source,
      graph.graphOptimizationLevel,
      Object.entries(graph.freeDimensionOverrides).sort(),
    ]);
    const entry = this.#entries.get(key) ?? this.#open(key, (events) => this.#lease(name, model, graph, events));
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
      ({ tensorBytes } = await waitFor(progressOf(entry), patience));
    } catch (error) {
      release();
      // Whoever gave up while a busy daemon was asked again is told what that had said.
      throw error instanceof NotShared ? (entry.refusal ?? error) : error;
    }
    return { tensorBytes, locate: async () => path.join(this.#settings.views, (await entry.lease).view), release };
  }

  #open(key: string, lease: (events: LeaseEvents) => Promise<Lease>): Entry {
    const listeners = new Set<() => void>();
    const heard = (): void => listeners.forEach((listener) => listener());
    const refused = (error: unknown): void => void (entry.refusal = error);
    const entry: Entry = { uses: 0, lease: lease({ heard, refused }), listeners };
    this.#entries.set(key, entry);
    void this.#keep(key, entry, () => lease({ heard, refused }));
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

  /** Asks a few times more where the daemon says that it may do it later. */
  async #lease(name: string, model: DaemonModel, graph: GraphOptions, { heard, refused }: LeaseEvents): Promise<Lease> {
    const { instance, namespace, actionName, busyRetryMs, busyAttemptsMax } = this.#settings;
    const wanted = {
      name: `${actionName} ${name}`.trimStart().slice(0, NAME_CHARS_MAX),
      source: model.source,
      graph,
      ...(instance === '' ? {} : { instance }),
      ...(namespace === '' ? {} : { namespace }),
    };
    return retry(() => this.#ask(wanted, model, heard), {
      backoff: { firstMs: busyRetryMs, maxMs: busyRetryMs },
      attemptsMax: busyAttemptsMax,
      again: (error) => {
        if (isBusy(error)) refused(error);
        return isBusy(error);
      },
    });
  }

  async #ask(
    wanted: Parameters<DaemonClient['lease']>[0],
    { uploads }: DaemonModel,
    heard: () => void,
  ): Promise<Lease> {
    try {
      return await this.#client.lease(wanted, heard);
    } catch (error) {
      if (!isPluginError(error, 'ERR_MODEL_UNKNOWN') || uploads.length === 0) throw error;
    }
    for (const open of uploads) {
      const content = open();
      if (!(content instanceof Uint8Array)) content.on('data', heard).pause();
      await this.#client.upload(content, this.#settings.instance);
      heard();
    }
    return this.#client.lease(wanted, heard);
  }
}

/** Bounds that were hit, of which the daemon says that they may not be hit later. */
function isBusy(error: unknown): boolean {
  const codes = ['ERR_QUEUE_FULL', 'ERR_UPLOAD_LIMIT', 'ERR_LEASE_LIMIT', 'ERR_STORE_FULL'] as const;
  return codes.some((code) => isPluginError(error, code) && error.retriable);
}

function progressOf({ lease, listeners }: Entry): Progressing<Lease> {
  return {
    result: lease,
    onWord(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
