/**
 * Which actions are ours, and that schedulers order containers for them here: hints for the actions that the entity
 * database has, for those who invoke them, shown while we are up and again to schedulers that begin.
 */
import type { EntityChanges, Etcd, LeasedKeys, Logger } from '@tetris/common';
import type { EtcdKeys, OrderedName } from './etcd-keys';
import { Hints } from './hints';
import { KnownActions } from './known-actions';
import { TetrisActions } from './tetris-actions';

export interface AttractionParts {
  etcd: Etcd;
  keys: EtcdKeys;
  leased: LeasedKeys;
  entityChanges: EntityChanges;
  log: Logger;
}

export interface AttractionOptions {
  invoker: number;
  isOurKind: (kind: string) => boolean;
  actionsMax: number;
  actionsIntervalMs: number;
}

export class Attraction {
  readonly #parts: AttractionParts;
  readonly #hints: Hints;
  readonly #known: KnownActions;
  readonly #actions: TetrisActions;
  readonly #unwatch: (() => void)[] = [];
  #isShown = false;

  constructor(parts: AttractionParts, options: AttractionOptions) {
    const { keys, leased, entityChanges, log } = parts;
    const { invoker, isOurKind, actionsMax, actionsIntervalMs: intervalMs } = options;
    this.#parts = parts;
    this.#hints = new Hints(keys, leased, { invoker, hintsMax: actionsMax });
    this.#known = new KnownActions(actionsMax);
    const seen = {
      present: (action: { name: string; revision: string; memoryMb: number }): void => this.#present(action),
      gone: (name: string): void => this.#gone(name),
    };
    this.#actions = new TetrisActions(entityChanges, { isOurKind, intervalMs }, seen, log);
  }

  get hints(): number {
    return this.#hints.size;
  }

  /** The largest memory limit of the actions, MB. */
  get memoryMaxMb(): number {
    return this.#known.memoryMaxMb;
  }

  /** Resolves when the actions that there are are known. */
  async start(): Promise<void> {
    const { keys } = this.#parts;
    await this.#actions.look();
    await this.#watch(keys.schedulers, () => this.schedulerSeen());
    await this.#watch(keys.queues, (key) => {
      const queue = keys.queueOf(key);
      if (queue !== undefined) this.invoked(queue.namespace, queue.name);
    });
  }

  /** An entity may have changed. */
  look(): void {
    void this.#actions.look();
  }

  /** One that has begun knows no hints of before. */
  schedulerSeen(): void {
    if (this.#isShown) this.#hints.show();
  }

  /** Somebody invokes an action. */
  invoked(namespace: string, name: OrderedName): void {
    const action = this.#known.invoked(namespace, name);
    if (action !== undefined) this.#hints.put(action);
  }

  show(): void {
    this.#isShown = true;
    this.#hints.show();
  }

  /** Resolves when schedulers know no hint any more. */
  async hide(): Promise<void> {
    this.#isShown = false;
    await this.#hints.hide();
  }

  /** Resolves as {@link hide} does. */
  async stop(): Promise<void> {
    for (const unwatch of this.#unwatch) unwatch();
    await this.#actions.stop();
    await this.hide();
  }

  #present({ name, revision, memoryMb }: { name: string; revision: string; memoryMb: number }): void {
    for (const action of this.#known.present(name, revision, memoryMb)) this.#hints.put(action);
  }

  #gone(name: string): void {
    this.#known.gone(name);
    this.#hints.forget(name);
  }

  async #watch(prefix: string, put: (key: string) => void): Promise<void> {
    const watcher = {
      present: (entries: readonly { key: string }[]): void => entries.forEach(({ key }) => put(key)),
      put: ({ key }: { key: string }): void => put(key),
      deleted: (): void => undefined,
    };
    this.#unwatch.push(await this.#parts.etcd.watch(prefix, watcher));
  }
}
