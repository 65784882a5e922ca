import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { faultPoint } from '../fault';
import { hasCode, link, list, makeFolder, removeTree, rename, unlinkIfPresent } from './files';
import { GRAPH_FILE, type StoreLayout } from './layout';

/** Links made or removed before other work gets a turn: about a millisecond's worth. */
const LINKS_PER_TURN = 256;

/** Prefix of views in the making and of those on their way out; their names can be no model key. */
const HIDDEN = '.';

/** Enterable by those who know its name. */
const VIEW_MODE = 0o755;

/**
 * The views: what instances may see. A view appears whole, by a rename. Changes of one view must not overlap; the
 * caller sees to that. What a removal that fails leaves, another one removes.
 */
export class Views {
  readonly #layout: StoreLayout;

  constructor(layout: StoreLayout) {
    this.#layout = layout;
  }

  /** Makes an instance's folder. */
  addInstance(instance: string): string {
    const path = this.#layout.instanceViews(instance);
    makeFolder(path, VIEW_MODE);
    return path;
  }

  removeInstance(instance: string): void {
    removeTree(this.#layout.instanceViews(instance));
  }

  /** Removes something in an instance's folder that is no view. */
  discard(path: string): void {
    removeTree(path);
  }

  /**
   * Links a model's graph and tensors into an instance's folder.
   * @returns false where something of the model is gone from the store
   */
  async make(instance: string, modelKey: string, tensors: readonly { sha256: string }[]): Promise<boolean> {
    const layout = this.#layout;
    const unfinished = join(this.addInstance(instance), `${HIDDEN}${modelKey}`);
    try {
      removeTree(unfinished);
      makeFolder(unfinished, VIEW_MODE);
      faultPoint('view:begun');
      for (const [index, { sha256 }] of tensors.entries()) {
        link(layout.tensor(sha256), join(unfinished, sha256));
        if (index % LINKS_PER_TURN === LINKS_PER_TURN - 1) await nextTurn();
      }
      faultPoint('view:linked');
      link(join(layout.model(modelKey), GRAPH_FILE), join(unfinished, GRAPH_FILE));
      faultPoint('view:graph');
      rename(unfinished, layout.view(instance, modelKey));
      faultPoint('view:renamed');
      return true;
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
      removeTree(unfinished);
      return false;
    }
  }

  /** Removes a view, the graph first: without it the view is none. Removes what is left of an unfinished one too. */
  async remove(instance: string, modelKey: string): Promise<void> {
    const hidden = join(this.#layout.instanceViews(instance), `${HIDDEN}${modelKey}`);
    if (this.#hide(this.#layout.view(instance, modelKey), hidden)) await this.#empty(hidden);
    removeTree(hidden);
    faultPoint('view:removed');
  }

  /** @returns whether there was a view */
  #hide(path: string, hidden: string): boolean {
    try {
      rename(path, hidden);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false;
      throw error;
    }
    faultPoint('view:hidden');
    return true;
  }

  async #empty(hidden: string): Promise<void> {
    for (const [index, name] of list(hidden).entries()) {
      unlinkIfPresent(join(hidden, name));
      if (index % LINKS_PER_TURN === LINKS_PER_TURN - 1) await nextTurn();
    }
    faultPoint('view:emptied');
  }
}
