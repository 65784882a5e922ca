import type { Action } from '../openwhisk/action-document';

export interface ActionCacheLimits {
  /** Bytes of code kept; the longest unused leave. */
  cacheBytesMax: number;
  /** ms an entry is used, as in the stock cache. */
  cacheTtlMs: number;
}

interface Entry {
  action: Promise<Action>;
  /** 0 until it is read. */
  bytes: number;
  untilMs: number;
}

/** Bytes beside the code, roughly. */
const ENTRY_BYTES = 2_048;

/** Actions by id and revision; concurrent requests for one are one read. Failures are not kept. */
export class ActionCache {
  readonly #limits: ActionCacheLimits;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(limits: ActionCacheLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @param read called where the action is not kept */
  async get(key: string, nowMs: number, read: () => Promise<Action>): Promise<Action> {
    const found = this.#entries.get(key);
    if (found !== undefined && found.untilMs > nowMs) {
      this.#entries.delete(key);
      this.#entries.set(key, found);
      return found.action;
    }
    this.#drop(key);
    const entry: Entry = { action: read(), bytes: 0, untilMs: nowMs + this.#limits.cacheTtlMs };
    this.#entries.set(key, entry);
    try {
      const action = await entry.action;
      this.#weigh(key, entry, action);
      return action;
    } catch (error) {
      if (this.#entries.get(key) === entry) this.#drop(key);
      throw error;
    }
  }

  #weigh(key: string, entry: Entry, action: Action): void {
    if (this.#entries.get(key) !== entry || entry.bytes > 0) return;
    entry.bytes = ENTRY_BYTES + (action.exec.code?.length ?? 0);
    this.#bytes += entry.bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#limits.cacheBytesMax) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    this.#entries.delete(key);
  }
}
