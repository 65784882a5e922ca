import { LRUCache } from 'lru-cache';
import { SingleFlight } from '../flow/single-flight';
import type { Action } from '../openwhisk/action-document';

export interface ActionCacheLimits {
  /** Bytes of code kept; the longest unused leave. */
  cacheBytesMax: number;
  /** ms an entry is used, as in the stock cache. */
  cacheTtlMs: number;
}

/** Bytes beside the code, roughly. */
const ENTRY_BYTES = 2_048;

/** Actions by id and revision; concurrent requests for one are one read. Failures are not kept. */
export class ActionCache {
  readonly #known: LRUCache<string, Action>;
  readonly #reading = new SingleFlight<Action>();

  /** @param now ms, never going back */
  constructor({ cacheBytesMax, cacheTtlMs }: ActionCacheLimits, now: () => number = () => performance.now()) {
    this.#known = new LRUCache({
      maxSize: cacheBytesMax,
      sizeCalculation: ({ exec }) => ENTRY_BYTES + (exec.code?.length ?? 0),
      ttl: cacheTtlMs,
      ttlResolution: 0,
      perf: { now },
    });
  }

  get bytes(): number {
    return this.#known.calculatedSize;
  }

  /** @param read called where the action is not kept */
  async get(key: string, read: () => Promise<Action>): Promise<Action> {
    return this.#known.get(key) ?? this.#reading.run(key, () => this.#read(key, read));
  }

  async #read(key: string, read: () => Promise<Action>): Promise<Action> {
    const action = await read();
    this.#known.set(key, action);
    return action;
  }
}
