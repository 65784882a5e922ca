import type { Action, EntityStore } from '@tetris/common';

export interface ActionCacheOptions {
  entriesMax: number;
  /** Characters of code over all entries. */
  codeMax: number;
  /** Age at which an entry is read again, ms. Stock: 5 min. */
  ttlMs: number;
}

interface Entry {
  action: Promise<Action>;
  atMs: number;
  codeLength: number;
}

/** Actions by id and revision: a revision never changes its content. Without a revision every read goes to the store. */
export class ActionCache {
  readonly #store: Pick<EntityStore, 'getAction'>;
  readonly #options: ActionCacheOptions;
  /** In order of use. */
  readonly #entries = new Map<string, Entry>();
  #codeLength = 0;

  constructor(store: Pick<EntityStore, 'getAction'>, options: ActionCacheOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** One read for all who ask at once. Errors as {@link EntityStore.getAction}; they are not kept. */
  async get(id: string, revision: string | null, nowMs: number): Promise<Action> {
    if (revision === null) return this.#store.getAction(id);
    const key = `${id}@${revision}`;
    const known = this.#entries.get(key);
    if (known !== undefined && nowMs - known.atMs < this.#options.ttlMs) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known.action;
    }
    this.#remove(key);
    const entry: Entry = { action: this.#store.getAction(id, revision), atMs: nowMs, codeLength: 0 };
    this.#entries.set(key, entry);
    try {
      const action = await entry.action;
      if (this.#entries.get(key) === entry) this.#weigh(entry, action.exec.code?.length ?? 0);
      return action;
    } catch (error) {
      if (this.#entries.get(key) === entry) this.#remove(key);
      throw error;
    }
  }

  #weigh(entry: Entry, codeLength: number): void {
    entry.codeLength = codeLength;
    this.#codeLength += codeLength;
    for (const key of this.#entries.keys()) {
      if (this.#entries.size <= this.#options.entriesMax && this.#codeLength <= this.#options.codeMax) return;
      this.#remove(key);
    }
  }

  #remove(key: string): void {
    this.#codeLength -= this.#entries.get(key)?.codeLength ?? 0;
    this.#entries.delete(key);
  }
}
