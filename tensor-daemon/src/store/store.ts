import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { faultPoint } from '../fault';
import { Catalog, type Model, type StoredTensor, type Tensor } from './catalog';
import { linkIfAbsent, syncFolder, unlinkIfPresent } from './files';
import { GRAPH_FILE, isDigest, MANIFEST_FILE, StoreLayout } from './layout';
import { type Manifest, readManifest } from './manifest';
import { Trash } from './trash';

/** `f_type` of a tmpfs: nothing there outlives the power, so nothing needs syncing. */
const TMPFS_MAGIC = 0x01021994;

/** Size of the blocks that `st_blocks` counts. */
const BLOCK_BYTES = 512;

/** Tensors unlinked before other work gets a turn: about a millisecond's worth. */
const UNLINKS_PER_TURN = 64;

/** A folder of its own for work under way. */
export interface Scratch {
  readonly path: string;
  remove(): void;
}

export interface StoreOptions {
  path: string;
  sync: 'auto' | 'always' | 'never';
  inventoryLogMax: number;
  nowMs: number;
}

/**
 * The folders of the store and what is known of them. Reference truth is the link count: a tensor whose only name is
 * the one in `tensors/` is held by no view and no ingest.
 */
export class Store {
  readonly layout: StoreLayout;
  readonly catalog: Catalog;
  readonly trash: Trash;
  /** Whether files are synced before they are published. */
  readonly sync: boolean;

  constructor({ path, sync, inventoryLogMax, nowMs }: StoreOptions) {
    this.layout = new StoreLayout(path);
    this.layout.create();
    this.catalog = new Catalog(nowMs, inventoryLogMax);
    this.trash = new Trash(this.layout.scratch);
    this.sync = sync === 'auto' ? statfsSync(path).type !== TMPFS_MAGIC : sync === 'always';
  }

  /**
   * Rebuilds the catalog from the folders and sweeps what a crash left: work under way, tensors cut short, models that
   * miss a tensor. What then turns out to be needed by nothing, {@link unlinkOrphans} removes.
   */
  recover(): void {
    const { scratch, uploads } = this.layout;
    for (const folder of [scratch, uploads]) emptyFolder(folder);
    faultPoint('recover:swept');
    this.#findTensors();
    const torn = this.#findModels();
    if (torn.size > 0) this.#dropTorn(torn);
  }

  newScratch(): Scratch {
    const path = join(this.layout.scratch, randomBytes(8).toString('hex'));
    mkdirSync(path);
    return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
  }

  /**
   * Publishes a model. The manifest comes last, and appears together with the graph.
   *
   * @param folder holds its graph already
   * @param pins holds a link to each of its tensors: one that was reclaimed in the moment it was pinned comes back
   */
  publishModel(folder: string, pins: string, manifest: Manifest): Model {
    const { models } = this.layout;
    for (const { sha256 } of manifest.tensors) linkIfAbsent(join(pins, sha256), this.layout.tensor(sha256));
    if (this.sync) syncFolder(this.layout.tensors);
    faultPoint('model:pinned');
    this.catalog.addTensors(manifest.tensors.map(({ sha256 }) => this.#stat(sha256)));
    writeFileSync(join(folder, MANIFEST_FILE), JSON.stringify(manifest), { flush: this.sync });
    if (this.sync) syncFolder(folder);
    faultPoint('model:manifest');
    const path = this.layout.model(manifest.modelKey);
    this.#removeModelFolder(manifest.modelKey);
    faultPoint('model:replaced');
    renameSync(folder, path);
    faultPoint('model:renamed');
    if (this.sync) syncFolder(models);
    const model = this.catalog.addModel(manifest, this.#folderBytes(path));
    if (model === undefined) throw new Error(`a tensor of ${manifest.modelKey} is gone although it was pinned`);
    return model;
  }

  /** Removes a model that nobody uses, and the tensors that nothing else needs. @returns what went */
  removeModel(modelKey: string): { tensors: number; bytes: number } {
    const graphBytes = this.#forgetModel(modelKey);
    const { tensors, bytes } = this.unlinkOrphans();
    return { tensors, bytes: bytes + graphBytes };
  }

  /** The same in small steps. From the first on, the model is none any more. */
  async removeModelInSteps(modelKey: string): Promise<{ tensors: number; bytes: number }> {
    const graphBytes = this.#forgetModel(modelKey);
    const { tensors, bytes } = await this.unlinkOrphansInSteps();
    return { tensors, bytes: bytes + graphBytes };
  }

  /** Unlinks the tensors that neither a model nor a link needs, all at once. */
  unlinkOrphans(): { tensors: number; bytes: number } {
    return this.#unlink(this.catalog.orphans);
  }

  /** The same in small steps, between which other work gets a turn. */
  async unlinkOrphansInSteps(): Promise<{ tensors: number; bytes: number }> {
    const total = { tensors: 0, bytes: 0 };
    const orphans = this.catalog.orphans;
    for (let at = 0; at < orphans.length; at += UNLINKS_PER_TURN) {
      const { tensors, bytes } = this.#unlink(orphans.slice(at, at + UNLINKS_PER_TURN));
      total.tensors += tensors;
      total.bytes += bytes;
      await nextTurn();
    }
    return total;
  }

  /** Names that a tensor has, the one in `tensors/` included; 0 where it is gone. */
  links(sha256: string): number {
    return statSync(this.layout.tensor(sha256), { throwIfNoEntry: false })?.nlink ?? 0;
  }

  hasView(instance: string, modelKey: string): boolean {
    return existsSync(join(this.layout.view(instance, modelKey), GRAPH_FILE));
  }

  /** @returns bytes of its graph */
  #forgetModel(modelKey: string): number {
    this.#removeModelFolder(modelKey);
    faultPoint('reclaim:model');
    const graphBytes = this.catalog.model(modelKey)?.graphBytes ?? 0;
    this.catalog.removeModel(modelKey);
    return graphBytes;
  }

  /** Looking and unlinking is one step: nobody links in between. */
  #unlink(orphans: readonly Tensor[]): { tensors: number; bytes: number } {
    const removed = orphans.filter((tensor) => this.catalog.isOrphan(tensor) && this.links(tensor.sha256) <= 1);
    for (const { sha256, bytes } of removed) {
      this.#discard(this.layout.tensor(sha256), bytes);
      faultPoint('reclaim:tensor');
    }
    this.catalog.removeTensors(removed);
    return { tensors: removed.length, bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  #stat(sha256: string): StoredTensor {
    const { size, blocks } = statSync(this.layout.tensor(sha256));
    return { sha256, fileBytes: size, bytes: blocks * BLOCK_BYTES };
  }

  #findTensors(): void {
    const { tensors } = this.layout;
    for (const name of readdirSync(tensors)) {
      if (isDigest(name)) this.catalog.foundTensor(this.#stat(name));
      else rmSync(join(tensors, name), { recursive: true, force: true });
    }
  }

  /** One manifest after the other, so that what is read of them need not stay. @returns tensors that were cut short */
  #findModels(): Set<string> {
    const torn = new Set<string>();
    const { models } = this.layout;
    for (const name of readdirSync(models)) {
      const path = join(models, name);
      const manifest = readManifest(join(path, MANIFEST_FILE));
      const isModel = manifest?.modelKey === name && existsSync(join(path, GRAPH_FILE));
      if (isModel) this.#cutShort(manifest).forEach((sha256) => torn.add(sha256));
      if (!isModel || this.catalog.addModel(manifest, this.#folderBytes(path)) === undefined)
        this.#removeModelFolder(name);
    }
    return torn;
  }

  /** A size that differs from the manifest's is a file cut short by a loss of power. */
  #cutShort({ tensors }: Manifest): string[] {
    return tensors
      .filter(({ sha256, bytes }) => (this.catalog.tensor(sha256)?.fileBytes ?? bytes) !== bytes)
      .map(({ sha256 }) => sha256);
  }

  /** Their names go even where a view links to them, so that the whole tensor can have the name. */
  #dropTorn(torn: ReadonlySet<string>): void {
    const spoilt = [...this.catalog.models()].filter(({ tensors }) => tensors.some(({ sha256 }) => torn.has(sha256)));
    for (const { modelKey } of spoilt) this.#forgetModel(modelKey);
    for (const sha256 of torn) unlinkIfPresent(this.layout.tensor(sha256));
    this.catalog.removeTensors(
      [...torn].map((sha256) => this.catalog.tensor(sha256)).filter((tensor) => tensor !== undefined),
    );
  }

  #removeModelFolder(name: string): void {
    this.#discard(join(this.layout.models, name), this.catalog.model(name)?.graphBytes);
  }

  #discard(path: string, bytes?: number): void {
    if (existsSync(path)) this.trash.add(path, bytes);
  }

  #folderBytes(path: string): number {
    return readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).blocks * BLOCK_BYTES, 0);
  }
}

function emptyFolder(path: string): void {
  for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true, force: true });
}
