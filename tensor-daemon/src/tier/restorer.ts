import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger, Semaphore } from '@tetris/common';
import { faultPoint } from '../fault';
import type { IngestListener } from '../ingest/ingest';
import type { DaemonMetrics } from '../metrics';
import type { Reclaimer } from '../store/reclaimer';
import type { Model } from '../store/catalog';
import { GRAPH_FILE } from '../store/layout';
import type { Scratch, Store } from '../store/store';
import { fetchFiles } from '../transfer/fetch-files';
import { pinPresent } from '../store/pins';
import { takeFirst } from '../transfer/take-first';
import type { WantedFile } from '../transfer/offer';
import type { ModelCopy, Tier, WantedModel } from './tier';

/** What a restore leaves in its scratch folder. */
const PINS_FOLDER = 'pins';
const MODEL_FOLDER = 'model';

export interface RestorerParts {
  store: Store;
  reclaimer: Reclaimer;
  /** Nearest first. */
  tiers: readonly Tier[];
  /** Turns of those who bring something. */
  slots: Semaphore;
  metrics: Pick<DaemonMetrics, 'restores' | 'restoredBytes'>;
  log: Logger;
}

/** One restore: what is wanted, where work is done, who is told, and what ends it. */
interface Restore {
  wanted: WantedModel;
  scratch: Scratch;
  onProgress: IngestListener;
  signal: AbortSignal;
}

/** Brings models back into the store from the tiers below it. */
export class Restorer {
  readonly #parts: RestorerParts;

  constructor(parts: RestorerParts) {
    this.#parts = parts;
  }

  /**
   * @returns undefined where no tier has it, or none that keeps its word: then it must be ingested
   * @throws PluginError `ERR_STORE_FULL`, `ERR_QUEUE_FULL`, or the signal's reason
   */
  async restore(wanted: WantedModel, onProgress: IngestListener, signal: AbortSignal): Promise<Model | undefined> {
    if (this.#parts.tiers.length === 0) return undefined;
    return this.#parts.slots.run(async () => {
      const scratch = this.#parts.store.newScratch();
      faultPoint('restore:begun');
      try {
        return await this.#fromTiers({ wanted, scratch, onProgress, signal });
      } finally {
        scratch.remove();
      }
    }, signal);
  }

  async #fromTiers(restore: Restore): Promise<Model | undefined> {
    const { tiers, metrics, log } = this.#parts;
    const { wanted, signal } = restore;
    for (const tier of tiers) {
      const model = await takeFirst(
        tier.copies(wanted, signal),
        (copy) => this.#take(copy, tier, restore),
        signal,
        ({ offer: { from, manifest }, outcome, ms, reason }) => {
          metrics.restores.inc({ tier: tier.name, outcome });
          const about = { modelKey: wanted.modelKey, name: manifest.name, from };
          if (outcome === 'restored') log.info({ ...about, ms }, 'model restored');
          else log.warn({ ...about, outcome, reason }, 'model not restored');
        },
      );
      if (model !== undefined) return model;
    }
    return undefined;
  }

  /** Takes what the store lacks of a model, then publishes it. What an earlier attempt has brought stays. */
  async #take(copy: ModelCopy, tier: Tier, { wanted, scratch, onProgress, signal }: Restore): Promise<Model> {
    const { store, reclaimer, metrics } = this.#parts;
    const { manifest } = copy;
    if ((manifest.scope ?? '') !== wanted.scope) throw new Error('its manifest is of another scope');
    const pins = join(scratch.path, PINS_FOLDER);
    const folder = join(scratch.path, MODEL_FOLDER);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    const tensors = manifest.tensors.map(({ sha256, bytes }): WantedFile => ({ kind: 'tensor', sha256, bytes }));
    const missing = await pinPresent(store.layout, pins, tensors);
    faultPoint('restore:pinned');
    const graph: WantedFile = { kind: 'graph', sha256: manifest.graphSha256, bytes: manifest.graphBytes };
    const files = [graph, ...missing];
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const room = await reclaimer.reserve(total);
    try {
      let done = 0;
      await fetchFiles(copy, tier, files, {
        folder: scratch.path,
        scope: wanted.scope,
        sync: store.sync,
        signal,
        onFile: ({ kind, sha256 }, path) => {
          renameSync(path, kind === 'graph' ? join(folder, GRAPH_FILE) : join(pins, sha256));
          faultPoint('restore:placed');
        },
        onBytes: (bytes) => {
          done += bytes;
          metrics.restoredBytes.inc({ tier: tier.name }, bytes);
          onProgress('fetch', done, total);
        },
      });
      faultPoint('restore:complete');
      // From here to the end nothing waits, so room and catalog change together.
      room.release();
      return store.publishModel(folder, pins, manifest);
    } finally {
      room.release();
    }
  }
}
