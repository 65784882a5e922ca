import { constants } from 'node:fs';
import { copyFile, open } from 'node:fs/promises';
import { join } from 'node:path';
import { isPluginError, type Logger } from '@tetris/common';
import { faultPoint } from '../fault';
import type { DaemonMetrics } from '../metrics';
import type { Cleanups } from '../store/cleanups';
import { Reclaimer } from '../store/reclaimer';
import type { Model } from '../store/catalog';
import { GRAPH_FILE, MANIFEST_FILE, type StoreLayout } from '../store/layout';
import { readManifest } from '../store/manifest';
import { Store } from '../store/store';
import { copySynced } from '../transfer/copy-file';
import { IntegrityError } from '../transfer/receive';
import type { WantedFile } from '../transfer/offer';
import { type CopyManifest, type ModelCopy, openCopy, type Tier, type WantedModel } from './tier';

/** Files read at a time on the way back: as many as a small machine has cores. */
const PARALLELISM = 2;

export interface DiskTierOptions {
  path: string;
  bytesMax: number;
  /** What is checked of a file that comes back: its size, or all of its bytes. */
  verify: 'size' | 'sha256';
  nowMs: number;
  /** Where removals go that fail. */
  cleanups: Cleanups;
}

/**
 * Models that have left memory, on a disk: a second store without views, with a byte budget and a greedy-dual order of
 * its own. A model that returns to memory stays here too, so that it leaves memory again without being written. Every
 * file is synced before it is published; a file that a loss of power has cut short is found by its size at start, any
 * other, where digests are checked, on the way back.
 */
export class DiskTier implements Tier {
  readonly name = 'disk';
  readonly parallelism = PARALLELISM;
  readonly #store: Store;
  readonly #reclaimer: Reclaimer;
  readonly #verify: DiskTierOptions['verify'];
  readonly #metrics: Pick<DaemonMetrics, 'demotions'>;
  readonly #log: Logger;
  /** Reads under way of each model. */
  readonly #readers = new Map<string, number>();

  constructor(
    { path, bytesMax, verify, nowMs, cleanups }: DiskTierOptions,
    metrics: Pick<DaemonMetrics, 'demotions'>,
    log: Logger,
  ) {
    // Contents are synced here, off the event loop; names need it not: a model that misses a tensor after a loss of
    // power is found at start.
    this.#store = new Store({ path, sync: 'never', inventoryLogMax: 1, nowMs, cleanups });
    this.#reclaimer = new Reclaimer(
      this.#store,
      { bytesMax, modelTtlMs: Number.POSITIVE_INFINITY },
      { usesOf: (key) => this.#readers.get(key) ?? 0, otherBytes: () => 0, reclaimed: () => undefined },
    );
    this.#verify = verify;
    this.#metrics = metrics;
    this.#log = log;
  }

  /** Finds what an earlier daemon has left. */
  recover(): void {
    this.#store.recover();
    this.#store.unlinkOrphans();
  }

  get bytes(): number {
    return this.#reclaimer.bytes;
  }

  get layout(): StoreLayout {
    return this.#store.layout;
  }

  async emptied(): Promise<void> {
    await this.#store.trash.emptied();
  }

  /**
   * Takes in a model that is about to leave the store at `from`. What does not fit or fails is forgotten: it can be
   * made again.
   */
  async demote(model: Model, from: StoreLayout): Promise<void> {
    const { modelKey } = model;
    try {
      const known = this.#store.catalog.model(modelKey) !== undefined;
      if (!known) await this.#keep(model, from);
      this.#reclaimer.used(modelKey);
      this.#metrics.demotions.inc({ outcome: known ? 'known' : 'written' });
    } catch (error) {
      const outcome = isPluginError(error, 'ERR_STORE_FULL') ? 'full' : 'failed';
      this.#metrics.demotions.inc({ outcome });
      this.#log.warn({ modelKey, name: model.name, outcome, err: error }, 'model not demoted');
    }
  }

  async *copies({ modelKey }: WantedModel): AsyncIterable<ModelCopy> {
    const copy = openCopy(this.#store.layout, modelKey);
    if (copy === undefined || this.#store.catalog.model(modelKey) === undefined) return;
    this.#reclaimer.used(modelKey);
    this.#count(modelKey, 1);
    yield {
      from: 'disk',
      manifest: copy.manifest,
      origin: (file) => ({ kind: 'file', path: copy.pathOf(file) }),
      ...(this.#verify === 'size' && {
        clone: (file, path, sync) => cloneFile(copy.pathOf(file), file.bytes, path, sync),
      }),
      reject: (file) => this.#forget(modelKey, file),
      close: () => this.#count(modelKey, -1),
    };
  }

  async #keep(model: Model, from: StoreLayout): Promise<void> {
    const { modelKey, tensors, graphBytes } = model;
    const manifest = readManifest(join(from.model(modelKey), MANIFEST_FILE));
    if (manifest === undefined) throw new Error(`the manifest of ${modelKey} is gone`);
    const stage = this.#store.stage();
    faultPoint('demote:begun');
    try {
      const missing = await stage.hold(tensors);
      faultPoint('demote:held');
      const room = await this.#reclaimer.reserve(missing.reduce((sum, { bytes }) => sum + bytes, graphBytes));
      try {
        for (const { sha256 } of missing) {
          const copy = join(stage.work, sha256);
          await copySynced(from.tensor(sha256), copy);
          stage.addTensor(sha256, copy);
          faultPoint('demote:tensor');
        }
        const graph = join(stage.work, GRAPH_FILE);
        const graphSha256 = await copySynced(join(from.model(modelKey), GRAPH_FILE), graph, true);
        stage.addGraph(graph);
        faultPoint('demote:graph');
        const kept: CopyManifest = { ...manifest, graphSha256 };
        stage.commit(kept);
      } finally {
        room.release();
      }
    } finally {
      await stage.abort();
    }
  }

  /** A file has rotted: every model that needs it goes, and the file with them. */
  #forget(modelKey: string, { sha256 }: WantedFile): void {
    const spoilt = [...this.#store.catalog.models()].filter(
      (model) => model.modelKey === modelKey || model.tensors.some((tensor) => tensor.sha256 === sha256),
    );
    for (const model of spoilt)
      void this.#store.cleanups.attempt(`model ${model.modelKey}`, () => void this.#store.removeModel(model.modelKey));
  }

  #count(modelKey: string, change: 1 | -1): void {
    const readers = (this.#readers.get(modelKey) ?? 0) + change;
    if (readers === 0) this.#readers.delete(modelKey);
    else this.#readers.set(modelKey, readers);
  }
}

/** @throws IntegrityError where the file has another size */
async function cloneFile(from: string, bytes: number, to: string, sync: boolean): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE);
  const file = await open(to, 'r');
  try {
    const { size } = await file.stat();
    if (size !== bytes) throw new IntegrityError(`${from} has ${size} bytes instead of ${bytes}`);
    if (sync) await file.sync();
  } finally {
    await file.close();
  }
}
