/** Names of everything that the registry keeps in Redis, and the messages on its one channel. */
import type { ActionManifest, InventoryDelta, InvokerStatus } from './registry';

export type IndexedKind = 'inventory' | 'status' | 'manifest';

/** Every key begins with the prefix and has a TTL. */
export class RedisKeys {
  readonly #prefix: string;
  constructor(prefix: string) {
    this.#prefix = prefix;
  }
  /** `inventory`: hash tensor -> bytes, with {@link SEQUENCE_FIELD}. `status`, `manifest`: JSON. */
  entry(kind: IndexedKind, id: string): string {
    return `${this.#prefix}${kind}:${id}`;
  }
  /** Sorted set: id -> epoch ms of its last write, so that nobody has to scan the whole database. */
  index(kind: IndexedKind): string {
    return `${this.#prefix}index:${kind}`;
  }
  /** Hash: activation id -> JSON. */
  inFlight(owner: string): string {
    return `${this.#prefix}in-flight:${owner}`;
  }
  get channel(): string {
    return `${this.#prefix}changes`;
  }
}

/** The field of an inventory hash that is no tensor. */
export const SEQUENCE_FIELD = 'sequence';

/** What a change says on the channel. An `inventory` is read from its key, as it may be large. */
export type Change =
  | { kind: 'inventory'; node: string }
  | { kind: 'delta'; node: string; delta: InventoryDelta }
  | { kind: 'status'; status: InvokerStatus }
  | { kind: 'manifest'; action: string; manifest: ActionManifest };
