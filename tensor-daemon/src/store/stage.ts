/**
 * The whole life of a write into the store, and the only way into `tensors/` and `models/`:
 *
 *     store.stage() --addTensor, addGraph--> staged --commit--> visible
 *                  \                           \
 *                   +---------- abort ----------+--> gone
 *
 * What is staged lies in a folder of its own, which a restart sweeps. Only `commit` gives names in `tensors/`, and it
 * enters each into the catalog in the same step: whichever way a write ends, nothing is there that totals do not count.
 */
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { faultPoint } from '../fault';
import type { Catalog, Model, StoredTensor } from './catalog';
import { allocated, allocatedIn, hasCode, linkIfAbsent, makeFolder, rename, stat, syncFolder } from './files';
import { unlinkIfPresent, write } from './files';
import { GRAPH_FILE, MANIFEST_FILE, type StoreLayout } from './layout';
import type { Manifest } from './manifest';

/** Links made before other work gets a turn: about a millisecond's worth. */
const LINKS_PER_TURN = 256;

/** What a stage's folder holds, as plain files, so that threads can add to it. */
export class StageFiles {
  readonly path: string;
  /** For the writer's own work under way: no part of what is committed, and the only part that others may write to. */
  readonly work: string;
  readonly #tensors: string;
  readonly #model: string;
  readonly #store: string;

  /** @param store the folder of the store's tensors */
  constructor(path: string, store: string) {
    this.path = path;
    this.work = join(path, 'work');
    this.#tensors = join(path, 'tensors');
    this.#model = join(path, 'model');
    this.#store = store;
  }

  make(): void {
    makeFolder(this.path, 0o711);
    makeFolder(this.work, 0o711);
    makeFolder(this.#tensors, 0o700);
    makeFolder(this.#model, 0o700);
  }

  /** Folder of the graph and, from the commit on, the manifest. */
  get model(): string {
    return this.#model;
  }

  tensor(sha256: string): string {
    return join(this.#tensors, sha256);
  }

  /** Takes a finished file over as the tensor of that digest. One that the store has already is used in its place. */
  addTensor(sha256: string, file: string): void {
    if (this.holds(sha256)) unlinkIfPresent(file);
    else rename(file, this.tensor(sha256));
  }

  /** Takes a finished file over as the model's graph. */
  addGraph(file: string): void {
    rename(file, join(this.#model, GRAPH_FILE));
  }

  /** Holds a tensor that the store has, by a link: it stays from here on. @returns whether it is staged */
  holds(sha256: string): boolean {
    try {
      linkIfAbsent(join(this.#store, sha256), this.tensor(sha256));
      return true;
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
      return stat(this.tensor(sha256)) !== undefined;
    }
  }
}

/** What a stage has to know of its store. */
export interface StageOwner {
  readonly layout: StoreLayout;
  readonly catalog: Catalog;
  readonly sync: boolean;
  /** Removes the stage's folder, in the end. */
  discard(): Promise<void>;
  /** Removes tensors that a failed commit has left without a model. */
  unlinkOrphansInSteps(): Promise<unknown>;
}

/** One write. Who begins it calls `abort` when it is over, committed or not. */
export class Stage {
  readonly files: StageFiles;
  readonly #owner: StageOwner;
  #state: 'open' | 'committing' | 'committed' | 'ended' = 'open';

  constructor(path: string, owner: StageOwner) {
    this.files = new StageFiles(path, owner.layout.tensors);
    this.#owner = owner;
  }

  /** Folder for work under way. */
  get work(): string {
    return this.files.work;
  }

  /** Takes a finished file of the same file system over as a tensor. */
  addTensor(sha256: string, file: string): void {
    this.files.addTensor(sha256, file);
  }

  /** Takes a finished file of the same file system over as the graph. */
  addGraph(file: string): void {
    this.files.addGraph(file);
  }

  /** Holds those tensors that the store has already. @returns those that must be added */
  async hold<T extends { sha256: string }>(tensors: readonly T[]): Promise<T[]> {
    const missing: T[] = [];
    for (const [index, tensor] of tensors.entries()) {
      if (!this.files.holds(tensor.sha256)) missing.push(tensor);
      if (index % LINKS_PER_TURN === LINKS_PER_TURN - 1) await nextTurn();
    }
    return missing;
  }

  /**
   * Makes the model visible, all at once; a model that is there already stays as it is.
   * @throws Error where a tensor of the manifest is not staged, or the file system's
   */
  commit(manifest: Manifest): Model {
    const { layout, catalog, sync } = this.#owner;
    if (this.#state !== 'open') throw new Error(`the stage of ${manifest.modelKey} is ${this.#state}`);
    const known = catalog.model(manifest.modelKey);
    if (known !== undefined) return known;
    const tensors = manifest.tensors.map((tensor) => this.#staged(tensor));
    write(join(this.files.model, MANIFEST_FILE), JSON.stringify(manifest), { sync });
    if (sync) syncFolder(this.files.model);
    const graphBytes = allocatedIn(this.files.model);
    faultPoint('commit:manifest');
    this.#state = 'committing';
    this.#publish(tensors);
    if (sync) syncFolder(layout.tensors);
    faultPoint('commit:linked');
    rename(this.files.model, layout.model(manifest.modelKey));
    const model = catalog.addModel(manifest, graphBytes);
    this.#state = 'committed';
    faultPoint('commit:renamed');
    if (sync) syncFolder(layout.models);
    if (model === undefined) throw new Error(`a tensor of ${manifest.modelKey} is gone although it was staged`);
    return model;
  }

  /** Ends the write: what is not committed goes. Idempotent; never rejects. */
  async abort(): Promise<void> {
    const failed = this.#state === 'committing';
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    await this.#owner.discard();
    if (failed) await this.#owner.unlinkOrphansInSteps();
  }

  /** Names and catalog change together, also where it fails half way. */
  #publish(tensors: readonly StoredTensor[]): void {
    const named: StoredTensor[] = [];
    try {
      for (const tensor of tensors) {
        linkIfAbsent(this.files.tensor(tensor.sha256), this.#owner.layout.tensor(tensor.sha256));
        named.push(tensor);
      }
    } finally {
      this.#owner.catalog.addTensors(named);
    }
  }

  #staged({ sha256, bytes }: Manifest['tensors'][number]): StoredTensor {
    const stats = stat(this.files.tensor(sha256));
    if (stats?.size !== bytes) throw new Error(`tensor ${sha256} is not staged with its ${bytes} bytes`);
    return { sha256, fileBytes: bytes, bytes: allocated(stats) };
  }
}
