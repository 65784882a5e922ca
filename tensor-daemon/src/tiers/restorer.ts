import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { errorMessage, isPluginError, type Logger } from '@tetris/common';
import type { IngestListener } from '../ingest/ingest';
import type { DaemonMetrics } from '../metrics';
import type { Reclaimer } from '../reclaim/reclaimer';
import { Slots } from '../slots';
import type { Model } from '../store/catalog';
import { unlinkIfPresent } from '../store/files';
import { GRAPH_FILE } from '../store/layout';
import type { Scratch, Store } from '../store/store';
import { forEachOf } from './for-each';
import { pinPresent } from './pins';
import { receive, RefutedError } from './receive';
import type { ModelCopy, Tier, WantedFile } from './tier';

/** What a restore leaves in its scratch folder. */
const PINS_FOLDER = 'pins';
const MODEL_FOLDER = 'model';

export interface RestorerParts {
  store: Store;
  reclaimer: Reclaimer;
  /** Nearest first. */
  tiers: readonly Tier[];
  metrics: Pick<DaemonMetrics, 'restores' | 'restoredBytes'>;
  log: Logger;
}

export interface RestorerOptions {
  /** At a time. */
  restoresMax: number;
  /** Waiting for a turn. */
  ingestQueueMax: number;
}

/** Brings models back into the store from the tiers below it. */
export class Restorer {
  readonly #parts: RestorerParts;
  readonly #slots: Slots;

  constructor(parts: RestorerParts, { restoresMax, ingestQueueMax }: RestorerOptions) {
    this.#parts = parts;
    this.#slots = new Slots(restoresMax, ingestQueueMax);
  }

  /**
   * @returns undefined where no tier has it, or none that keeps its word: then it must be ingested
   * @throws PluginError `ERR_STORE_FULL`, `ERR_QUEUE_FULL`, or the signal's reason
   */
  async restore(modelKey: string, onProgress: IngestListener, signal: AbortSignal): Promise<Model | undefined> {
    if (this.#parts.tiers.length === 0) return undefined;
    return this.#slots.run(async () => {
      const scratch = this.#parts.store.newScratch();
      try {
        return await this.#fromTiers(modelKey, scratch, onProgress, signal);
      } finally {
        scratch.remove();
      }
    });
  }

  async #fromTiers(
    modelKey: string,
    scratch: Scratch,
    onProgress: IngestListener,
    signal: AbortSignal,
  ): Promise<Model | undefined> {
    const { tiers, metrics, log } = this.#parts;
    for (const tier of tiers) {
      for await (const copy of tier.copies(modelKey, signal)) {
        const startMs = performance.now();
        try {
          const model = await this.#take(copy, tier, scratch, onProgress, signal);
          metrics.restores.inc({ tier: tier.name, outcome: 'restored' });
          const ms = Math.round(performance.now() - startMs);
          log.info({ modelKey, name: model.name, from: copy.from, ms }, 'model restored');
          return model;
        } catch (error) {
          signal.throwIfAborted();
          if (isPluginError(error, 'ERR_STORE_FULL')) throw error;
          const outcome = error instanceof RefutedError ? 'refuted' : 'failed';
          metrics.restores.inc({ tier: tier.name, outcome });
          log.warn({ modelKey, from: copy.from, outcome, reason: errorMessage(error) }, 'model not restored');
        } finally {
          copy.close();
        }
      }
    }
    return undefined;
  }

  /** Takes what the store lacks of a model, then publishes it. What an earlier attempt has brought stays. */
  async #take(
    copy: ModelCopy,
    { name, parallelism }: Tier,
    scratch: Scratch,
    onProgress: IngestListener,
    signal: AbortSignal,
  ): Promise<Model> {
    const { store, reclaimer, metrics } = this.#parts;
    const { manifest } = copy;
    const pins = join(scratch.path, PINS_FOLDER);
    const folder = join(scratch.path, MODEL_FOLDER);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    const tensors = manifest.tensors.map(({ sha256, bytes }): WantedFile => ({ kind: 'tensor', sha256, bytes }));
    const missing = await pinPresent(store.layout, pins, tensors);
    const graph: WantedFile = { kind: 'graph', sha256: manifest.graphSha256, bytes: manifest.graphBytes };
    const total = [graph, ...missing].reduce((sum, { bytes }) => sum + bytes, 0);
    const room = await reclaimer.reserve(total);
    try {
      let done = 0;
      const onBytes = (bytes: number): void => {
        done += bytes;
        metrics.restoredBytes.inc({ tier: name }, bytes);
        onProgress('fetch', done, total);
      };
      await forEachOf([graph, ...missing], parallelism, async (wanted) => {
        const path = wanted.kind === 'graph' ? join(folder, GRAPH_FILE) : join(pins, wanted.sha256);
        const partial = join(scratch.path, `${wanted.sha256}.part`);
        try {
          if (copy.clone === undefined) await receive(copy, wanted, partial, { sync: store.sync, signal, onBytes });
          else await copy.clone(wanted, partial, store.sync).then(() => onBytes(wanted.bytes));
          renameSync(partial, path);
        } catch (error) {
          unlinkIfPresent(partial);
          if (error instanceof RefutedError) copy.refuted(wanted);
          throw error;
        }
      });
      // From here to the end nothing waits, so room and catalog change together.
      room.release();
      return store.publishModel(folder, pins, manifest);
    } finally {
      room.release();
    }
  }
}
