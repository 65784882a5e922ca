/**
 * Makes schedulers order containers here without any change to actions: a scheduler orders where it knows a paused
 * container of the action, whatever tags or annotations say, so one such key stands here for each action. One and not
 * more: an order that is refused would come back for each.
 */
import type { LeasedKeys } from '@tetris/common';
import { LRUCache } from 'lru-cache';
import type { EtcdKeys, PulledAction } from './etcd-keys';

export interface HintOptions {
  invoker: number;
  /** Actions with a hint, for each namespace that invokes them; the one used longest ago goes first. */
  hintsMax: number;
}

interface Hint {
  key: string;
  action: string;
}

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
      dispose: ({ key, action }, id, reason) => {
        void this.#leased.delete(key);
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
    const { invoker } = this.#options;
    const key = this.#keys.warmed(action, invoker, `z${invoker}-hint`);
    if (this.#hints.get(id)?.key === key) return;
    const name = nameOf(action);
    this.#hints.set(id, { key, action: name });
    this.#ids.set(name, (this.#ids.get(name) ?? new Set()).add(id));
    if (this.#shown) void this.#leased.put(key, '');
  }

  /** Of whichever namespace invokes it. @param name `namespace/name` or `namespace/package/name` */
  forget(name: string): void {
    for (const id of this.#ids.get(name) ?? []) this.#hints.delete(id);
  }

  /** Shows the hints, again too: a scheduler that has begun since does not know those of before. */
  show(): void {
    this.#shown = true;
    for (const { key } of this.#hints.values()) void this.#leased.put(key, '');
  }

  /** Orders go elsewhere. Resolves when etcd has no hint any more. */
  async hide(): Promise<void> {
    if (!this.#shown) return;
    this.#shown = false;
    await Promise.all([...this.#hints.values()].map(async ({ key }) => this.#leased.delete(key)));
  }

  #unlink(action: string, id: string): void {
    const ids = this.#ids.get(action);
    ids?.delete(id);
    if (ids?.size === 0) this.#ids.delete(action);
  }
}

const nameOf = ({ name }: PulledAction): string => `${name.path}/${name.name}`;
const idOf = (action: PulledAction): string => `${action.namespace} ${nameOf(action)}`;
