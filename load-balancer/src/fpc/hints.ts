/**
 * Makes schedulers order containers here without any change to actions: a scheduler orders where it knows a paused
 * container of the action, whatever tags or annotations say, so one such key stands here for each action.
 *
 * Each takes one order at a time. Until a scheduler knows how long an action takes it orders a container for each message
 * that is older than 100 ms, so in the first seconds of a queue there are more of them.
 */
import type { LeasedKeys } from '@tetris/common';
import { LRUCache } from 'lru-cache';
import type { EtcdKeys, PulledAction } from './etcd-keys';

export interface HintOptions {
  invoker: number;
  /** Actions with a hint, for each namespace that invokes them; the one used longest ago goes first. */
  hintsMax: number;
  /** Keys of an action whose queue is new. */
  newQueueKeys: number;
}

interface Hint {
  keys: readonly string[];
  readonly action: string;
  /** Until then it has the keys of a new queue. */
  isNewUntilMs: number;
}

/** A queue's first activations have run by then, and its scheduler knows how long they took, ms. */
const NEW_MS = 10_000;

export class Hints {
  readonly #keys: EtcdKeys;
  readonly #leased: Pick<LeasedKeys, 'put' | 'delete'>;
  readonly #options: HintOptions;
  readonly #hints: LRUCache<string, Hint>;
  /** By action, whoever invokes it. */
  readonly #ids = new Map<string, Set<string>>();
  #shown = false;

  constructor(keys: EtcdKeys, leased: Pick<LeasedKeys, 'put' | 'delete'>, options: HintOptions) {
    this.#keys = keys;
    this.#leased = leased;
    this.#options = options;
    this.#hints = new LRUCache({
      max: options.hintsMax,
      dispose: ({ keys: old, action }, id, reason) => {
        for (const key of old) void this.#leased.delete(key);
        if (reason !== 'set') this.#unlink(action, id);
      },
    });
  }

  get size(): number {
    return this.#hints.size;
  }

  /** The action's newest revision; an older one's hint goes. */
  put(action: PulledAction): void {
    const id = idOf(action);
    const keys = this.#keysOf(action, 1);
    if (this.#hints.get(id)?.keys[0] === keys[0]) return;
    const name = nameOf(action);
    const hint = { keys, action: name, isNewUntilMs: 0 };
    this.#hints.set(id, hint);
    this.#ids.set(name, (this.#ids.get(name) ?? new Set()).add(id));
    if (this.#shown) this.#write(hint);
  }

  /** A queue has come about for it: schedulers may order many containers at once. */
  queueSeen(action: PulledAction, nowMs: number): void {
    const hint = this.#hints.get(idOf(action));
    if (hint === undefined) return;
    const present = hint.keys;
    hint.isNewUntilMs = nowMs + NEW_MS;
    hint.keys = this.#keysOf(action, this.#options.newQueueKeys);
    if (this.#shown) for (const key of hint.keys) if (!present.includes(key)) void this.#leased.put(key, '');
  }

  /** To be called each second: takes away what is for new queues. */
  tick(nowMs: number): void {
    for (const hint of this.#hints.values()) {
      if (hint.keys.length === 1 || hint.isNewUntilMs > nowMs) continue;
      for (const key of hint.keys.slice(1)) void this.#leased.delete(key);
      hint.keys = hint.keys.slice(0, 1);
    }
  }

  /** Of whichever namespace invokes it. @param name `namespace/name` or `namespace/package/name` */
  forget(name: string): void {
    for (const id of this.#ids.get(name) ?? []) this.#hints.delete(id);
  }

  /** Shows the hints, again too: a scheduler that has begun since does not know those of before. */
  show(): void {
    this.#shown = true;
    for (const hint of this.#hints.values()) this.#write(hint);
  }

  /** Orders go elsewhere. Resolves when etcd has no hint any more. */
  async hide(): Promise<void> {
    if (!this.#shown) return;
    this.#shown = false;
    const keys = [...this.#hints.values()].flatMap((hint) => hint.keys);
    await Promise.all(keys.map(async (key) => this.#leased.delete(key)));
  }

  #write({ keys }: Hint): void {
    for (const key of keys) void this.#leased.put(key, '');
  }

  #keysOf(action: PulledAction, count: number): string[] {
    const { invoker } = this.#options;
    const containers = Array.from({ length: count }, (_, n) =>
      n === 0 ? `z${invoker}-hint` : `z${invoker}-${n}-hint`,
    );
    return containers.map((container) => this.#keys.warmed(action, invoker, container));
  }

  #unlink(action: string, id: string): void {
    const ids = this.#ids.get(action);
    ids?.delete(id);
    if (ids?.size === 0) this.#ids.delete(action);
  }
}

const nameOf = ({ name }: PulledAction): string => `${name.path}/${name.name}`;
const idOf = (action: PulledAction): string => `${action.namespace} ${nameOf(action)}`;
