import type { Logger, Semaphore } from '@tetris/common';
import { faultPoint } from '../fault';
import type { FlightControl } from '../ingest/flights';
import type { DaemonMetrics } from '../metrics';
import type { Model } from '../store/catalog';
import type { Reclaimer } from '../store/reclaimer';
import type { Stage } from '../store/stage';
import type { Store } from '../store/store';
import { fetchFiles } from '../transfer/fetch-files';
import type { WantedFile } from '../transfer/offer';
import { takeFirst } from '../transfer/take-first';
import type { ModelCopy, Tier, WantedModel } from './tier';

export interface RestorerParts {
  store: Store;
  reclaimer: Reclaimer;
  /** Nearest first. */
  tiers: readonly Tier[];
  /** Turns of those who fetch something. */
  slots: Semaphore;
  metrics: Pick<DaemonMetrics, 'restores' | 'restoredBytes'>;
  log: Logger;
}

/** One restore: what is wanted, into which stage, who is told of it, and what ends it. */
interface Restore extends FlightControl {
  wanted: WantedModel;
  stage: Stage;
}

/** Brings models back into the store from the tiers below it. */
export class Restorer {
  readonly #parts: RestorerParts;

  constructor(parts: RestorerParts) {
    this.#parts = parts;
  }

  /**
   * @returns undefined where no tier has it, or none whose files are what it says: then it must be ingested
   * @throws PluginError `ERR_STORE_FULL`, `ERR_QUEUE_FULL`, or the signal's reason
   */
  async restore(wanted: WantedModel, { signal, tell }: FlightControl): Promise<Model | undefined> {
    if (this.#parts.tiers.length === 0) return undefined;
    return this.#parts.slots.run(async () => {
      const stage = this.#parts.store.stage();
      faultPoint('restore:begun');
      try {
        return await this.#fromTiers({ wanted, stage, signal, tell });
      } finally {
        await stage.abort();
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

  /** Fetches what the store lacks of a model, then publishes it. What an earlier attempt has fetched stays. */
  async #take(copy: ModelCopy, tier: Tier, { wanted, stage, signal, tell }: Restore): Promise<Model> {
    const { store, reclaimer, metrics } = this.#parts;
    const { manifest } = copy;
    if ((manifest.scope ?? '') !== wanted.scope) throw new Error('its manifest is of another scope');
    const tensors = manifest.tensors.map(({ sha256, bytes }): WantedFile => ({ kind: 'tensor', sha256, bytes }));
    const missing = await stage.hold(tensors);
    faultPoint('restore:held');
    const graph: WantedFile = { kind: 'graph', sha256: manifest.graphSha256, bytes: manifest.graphBytes };
    const files = [graph, ...missing];
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const room = await reclaimer.reserve(total);
    try {
      let done = 0;
      await fetchFiles(copy, tier, files, {
        folder: stage.work,
        scope: wanted.scope,
        sync: store.sync,
        signal,
        onFile: ({ kind, sha256 }, path) => {
          if (kind === 'graph') stage.addGraph(path);
          else stage.addTensor(sha256, path);
          faultPoint('restore:placed');
        },
        onBytes: (bytes) => {
          done += bytes;
          metrics.restoredBytes.inc({ tier: tier.name }, bytes);
          tell('fetch', done, total);
        },
      });
      faultPoint('restore:complete');
      signal.throwIfAborted();
      return stage.commit(manifest);
    } finally {
      // Nothing has waited since the commit, so room and catalog change together.
      room.release();
    }
  }
}
