import { randomBytes } from 'node:crypto';
import { existsSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { faultPoint } from '../fault';
import { Catalog, type Tensor } from './catalog';
import type { Cleanups } from './cleanups';
import { removeTree, stat } from './files';
import { GRAPH_FILE, StoreLayout } from './layout';
import { recoverStore } from './recovery';
import { Stage } from './stage';
import { Trash } from './trash';

/** `f_type` of a tmpfs: nothing there outlives the power, so nothing needs syncing. */
const TMPFS_MAGIC = 0x01021994;

/** Tensors unlinked before other work gets a turn: about a millisecond's worth. */
const UNLINKS_PER_TURN = 64;

export interface StoreOptions {
  path: string;
  sync: 'auto' | 'always' | 'never';
  inventoryLogMax: number;
  nowMs: number;
  /** Where removals go that fail. */
  cleanups: Cleanups;
}

/** What a removal has freed. */
export interface Removed {
  tensors: number;
  bytes: number;
}

/**
 * The folders of the store and what is known of them. Reference truth is the link count: a tensor whose only name is
 * the one in `tensors/` is held by no view and no stage.
 */
export class Store {
  readonly layout: StoreLayout;
  readonly catalog: Catalog;
  readonly trash: Trash;
  readonly cleanups: Cleanups;
  /** Whether files are synced before they are published. */
  readonly sync: boolean;

  constructor({ path, sync, inventoryLogMax, nowMs, cleanups }: StoreOptions) {
    this.layout = new StoreLayout(path);
    this.layout.create();
    this.catalog = new Catalog(nowMs, inventoryLogMax);
    this.cleanups = cleanups;
    this.trash = new Trash(this.layout.scratch, cleanups);
    this.sync = sync === 'auto' ? statfsSync(path).type !== TMPFS_MAGIC : sync === 'always';
  }

  /**
   * Rebuilds the catalog from the folders and sweeps what a crash left. What then turns out to be needed by nothing,
   * {@link unlinkOrphans} removes.
   */
  recover(): void {
    recoverStore(this.layout, this.catalog, this.trash);
  }

  /**
   * Begins a write. Whoever does so calls its `abort` when it is over. @throws the file system's error; nothing is left
   * then
   */
  stage(): Stage {
    const { layout, catalog, sync, trash } = this;
    const path = join(layout.scratch, randomBytes(8).toString('hex'));
    const stage = new Stage(path, {
      layout,
      catalog,
      sync,
      discard: () => trash.remove(path),
      unlinkOrphansInSteps: () => this.unlinkOrphansInSteps(),
    });
    try {
      stage.files.make();
      return stage;
    } catch (error) {
      void this.cleanups.attempt(path, () => removeTree(path));
      throw error;
    }
  }

  /**
   * Removes a model that nobody uses, and the tensors that nothing else needs. @throws the file system's error; the
   * model stays then
   */
  removeModel(modelKey: string): Removed {
    const graphBytes = this.#forgetModel(modelKey);
    const { tensors, bytes } = this.unlinkOrphans();
    return { tensors, bytes: bytes + graphBytes };
  }

  /** The same in small steps. From the first on, the model is none any more. */
  async removeModelInSteps(modelKey: string): Promise<Removed> {
    const graphBytes = this.#forgetModel(modelKey);
    const { tensors, bytes } = await this.unlinkOrphansInSteps();
    return { tensors, bytes: bytes + graphBytes };
  }

  /**
   * Unlinks the tensors that neither a model nor a link needs, all at once. Those that cannot be unlinked stay known.
   */
  unlinkOrphans(): Removed {
    return this.#unlink(this.catalog.orphans);
  }

  /** The same in small steps, between which other work gets a turn. */
  async unlinkOrphansInSteps(): Promise<Removed> {
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
    return stat(this.layout.tensor(sha256))?.nlink ?? 0;
  }

  hasView(instance: string, modelKey: string): boolean {
    return existsSync(join(this.layout.view(instance, modelKey), GRAPH_FILE));
  }

  /** @returns bytes of its graph */
  #forgetModel(modelKey: string): number {
    const graphBytes = this.catalog.model(modelKey)?.graphBytes ?? 0;
    const path = this.layout.model(modelKey);
    if (existsSync(path)) this.trash.add(path, graphBytes);
    faultPoint('reclaim:model');
    this.catalog.removeModel(modelKey);
    return graphBytes;
  }

  #unlink(orphans: readonly Tensor[]): Removed {
    const removed = orphans.filter((tensor) => !this.cleanups.has(cleanupOf(tensor)) && this.#unlinkOne(tensor));
    this.catalog.removeTensors(removed);
    return { tensors: removed.length, bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  /** Looking and unlinking is one step: nobody links in between. @returns whether it is gone; later where it fails */
  #unlinkOne(tensor: Tensor): boolean {
    try {
      return this.#throwAway(tensor);
    } catch (error) {
      this.cleanups.failed(cleanupOf(tensor), error, () => {
        if (this.#throwAway(tensor)) this.catalog.removeTensors([tensor]);
      });
      return false;
    }
  }

  #throwAway(tensor: Tensor): boolean {
    const links = this.catalog.isOrphan(tensor) ? this.links(tensor.sha256) : 2;
    if (links > 1) return false;
    if (links === 1) this.trash.add(this.layout.tensor(tensor.sha256), tensor.bytes);
    faultPoint('reclaim:tensor');
    return true;
  }
}

function cleanupOf({ sha256 }: Tensor): string {
  return `tensor ${sha256}`;
}
