/**
 * Which actions are ours, and that they come here: hints for the actions that the entity database has, for those who
 * invoke them, shown while we are up and again to schedulers that begin; and each new queue, to be pulled at once.
 */
import {
  type EntityChanges,
  errorMessage,
  type Etcd,
  type EtcdEntry,
  type LeasedKeys,
  type Logger,
} from '@tetris/common';
import { addressOf, type EtcdKeys, type OrderedName, type PulledAction } from './etcd-keys';
import { Hints } from './hints';
import { type ActionState, KnownActions } from './known-actions';
import { QueueShare } from './queue-share';
import type { SchedulerAddress } from './schedulers';
import { TetrisActions } from './tetris-actions';

export interface AttractionParts {
  etcd: Etcd;
  keys: EtcdKeys;
  leased: LeasedKeys;
  entityChanges: EntityChanges;
  /** A queue of one of our actions has come about, which is ours to pull. */
  queueSeen: (action: PulledAction, scheduler: SchedulerAddress) => void;
  /** ms */
  now: () => number;
  log: Logger;
}

export interface AttractionOptions {
  invoker: number;
  tags: readonly string[];
  isOurKind: (kind: string) => boolean;
  actionsMax: number;
  actionsIntervalMs: number;
  /** Orders that are attracted at once for an action whose queue is new. */
  newQueueHints: number;
}

export class Attraction {
  readonly #parts: AttractionParts;
  readonly #options: AttractionOptions;
  readonly #hints: Hints;
  readonly #known: KnownActions;
  readonly #actions: TetrisActions;
  readonly #share: QueueShare;
  readonly #unwatch: (() => void)[] = [];
  #isShown = false;

  constructor(parts: AttractionParts, options: AttractionOptions) {
    const { etcd, keys, leased, entityChanges, log } = parts;
    const { invoker, isOurKind, actionsMax, actionsIntervalMs: intervalMs } = options;
    this.#parts = parts;
    this.#options = options;
    this.#hints = new Hints(keys, leased, { invoker, hintsMax: actionsMax, newQueueKeys: options.newQueueHints });
    this.#known = new KnownActions(actionsMax);
    const seen = {
      present: (name: string, state: ActionState): void => this.#present(name, state),
      gone: (name: string): void => this.#gone(name),
    };
    this.#actions = new TetrisActions(entityChanges, { isOurKind, intervalMs }, seen, log);
    this.#share = new QueueShare(etcd, keys, options);
  }

  get hints(): number {
    return this.#hints.size;
  }

  /** Memory of all that a scheduler may order here at once for one action, MB. */
  get orderedMaxMb(): number {
    return this.#options.newQueueHints * this.#known.memoryMaxMb;
  }

  /** To be called each second. */
  tick(): void {
    this.#hints.tick(this.#parts.now());
  }

  /** Resolves when the actions that there are are known. */
  async start(): Promise<void> {
    const { keys } = this.#parts;
    await this.#actions.look();
    await this.#share.start();
    await this.#watch(keys.schedulers, () => this.schedulerSeen());
    await this.#watch(keys.queues, (entry) => this.#queueSeen(entry));
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
    if (!this.#known.invoked(namespace, name)) return;
    const action = this.#known.get(namespace, name);
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
    this.#share.stop();
    await this.#actions.stop();
    await this.hide();
  }

  #present(name: string, state: ActionState): void {
    for (const action of this.#known.present(name, state)) this.#hints.put(action);
  }

  #gone(name: string): void {
    this.#known.gone(name);
    this.#hints.forget(name);
  }

  #queueSeen({ key, value }: EtcdEntry): void {
    const queue = this.#parts.keys.queueOf(key);
    if (queue === undefined) return;
    const { namespace, name } = queue;
    this.invoked(namespace, name);
    const action = this.#known.get(namespace, name);
    if (action === undefined || !this.#isShown || !this.#share.isOurs(key)) return;
    this.#hints.queueSeen(action, this.#parts.now());
    try {
      this.#parts.queueSeen(action, addressOf(value));
    } catch (error) {
      // To reject it would end the watch of all queues; an order brings the address as well.
      this.#parts.log.warn({ key, reason: errorMessage(error) }, 'leader of a queue cannot be read');
    }
  }

  async #watch(prefix: string, put: (entry: EtcdEntry) => void): Promise<void> {
    const present = (entries: readonly EtcdEntry[]): void => entries.forEach(put);
    this.#unwatch.push(await this.#parts.etcd.watch(prefix, { present, put, deleted: () => undefined }));
  }
}
