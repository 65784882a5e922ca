import { mkdirSync, readdirSync, renameSync, rmSync, unlinkSync, linkSync, chmodSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { faultPoint } from '../fault';
import { hasCode } from './files';
import { GRAPH_FILE, type StoreLayout } from './layout';

/** Links made before other work gets a turn: about a millisecond's worth. */
const LINKS_PER_TURN = 256;

/** Prefix of views in the making; their names can be no model key. */
const UNFINISHED = '.';

/**
 * The views: what instances may see. A view appears whole, by a rename. Changes of one view must not overlap; the
 * caller sees to that.
 */
export class Views {
  readonly #layout: StoreLayout;

  constructor(layout: StoreLayout) {
    this.#layout = layout;
  }

  /** Makes an instance's folder: enterable by those who know its name. */
  addInstance(instance: string): string {
    const path = this.#layout.instanceViews(instance);
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o755);
    return path;
  }

  removeInstance(instance: string): void {
    rmSync(this.#layout.instanceViews(instance), { recursive: true, force: true });
  }

  /** Removes something in an instance's folder that is no view. */
  discard(path: string): void {
    rmSync(path, { recursive: true, force: true });
  }

  /**
   * Links a model's graph and tensors into an instance's folder.
   * @returns false where something of the model is gone from the store
   */
  async make(instance: string, modelKey: string, tensors: readonly { sha256: string }[]): Promise<boolean> {
    const layout = this.#layout;
    const unfinished = join(this.addInstance(instance), `${UNFINISHED}${modelKey}`);
    try {
      rmSync(unfinished, { recursive: true, force: true });
      mkdirSync(unfinished, { mode: 0o755 });
      faultPoint('view:begun');
      for (const [index, { sha256 }] of tensors.entries()) {
        linkSync(layout.tensor(sha256), join(unfinished, sha256));
        if (index % LINKS_PER_TURN === LINKS_PER_TURN - 1) await nextTurn();
      }
      faultPoint('view:linked');
      linkSync(join(layout.model(modelKey), GRAPH_FILE), join(unfinished, GRAPH_FILE));
      faultPoint('view:graph');
      renameSync(unfinished, layout.view(instance, modelKey));
      faultPoint('view:renamed');
      return true;
    } catch (error) {
      rmSync(unfinished, { recursive: true, force: true });
      if (hasCode(error, 'ENOENT')) return false;
      throw error;
    }
  }

  /** Removes a view, the graph first: without it the view is none. */
  async remove(instance: string, modelKey: string): Promise<void> {
    const path = this.#layout.view(instance, modelKey);
    const doomed = join(this.#layout.instanceViews(instance), `${UNFINISHED}${modelKey}`);
    try {
      renameSync(path, doomed);
      faultPoint('view:hidden');
      for (const [index, name] of readdirSync(doomed).entries()) {
        unlinkSync(join(doomed, name));
        if (index % LINKS_PER_TURN === LINKS_PER_TURN - 1) await nextTurn();
      }
      faultPoint('view:emptied');
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
    rmSync(doomed, { recursive: true, force: true });
    faultPoint('view:removed');
  }
}
