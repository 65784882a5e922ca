/**
 * The front end for OpenWhisk's new scheduler (FPC): to the schedulers, this load balancer is one invoker with one
 * container for each action, which pulls whatever comes (docs/decisions/0060).
 *
 * - A key in etcd says that the invoker is up, and how much memory it has; keys beside it attract the orders for actions
 *   of our kinds ({@link Hints}).
 * - Orders come by `P+invoker<id>` and are acked by `P+creationAck<scheduler>` ({@link Orders}).
 * - What an order begins is pulled by gRPC and handed on ({@link ActionPulls}).
 */
import {
  type Bus,
  type EntityChanges,
  errorMessage,
  type Etcd,
  fullyQualifiedName,
  LeasedKeys,
  type Logger,
  type SubscribeOptions,
  type Subscription,
  TOPIC_SETTINGS,
  type Topics,
  type TopicSettings,
} from '@tetris/common';
import type { Arrival, FleetState, FrontEnd } from '../front-end';
import type { BalancerMetrics } from '../metrics';
import { matchesKind } from '../placement/placement';
import { readArrival } from '../relay/arrival';
import { virtualInvokerId } from '../relay/translate';
import { EtcdKeys } from './etcd-keys';
import { Hints } from './hints';
import { KnownActions } from './known-actions';
import { readOrder } from './messages';
import { actionOf, Orders } from './orders';
import { PulledActions } from './pulled-actions';
import type { Schedulers } from './schedulers';
import { TetrisActions } from './tetris-actions';
import { VirtualInvokerKey } from './virtual-invoker-key';

/** What this front end stands on. Closed by the caller. */
export interface FpcAdapters {
  etcd: Etcd;
  schedulers: Schedulers;
  entityChanges: EntityChanges;
}

export interface FpcOptions {
  /** Invoker id: one of our own in the cluster. */
  invoker: number;
  /** Name of this load balancer; part of consumer groups and of its key. */
  owner: string;
  name: string;
  userMemoryBytes: number;
  /** Attracted by hints. */
  kinds: readonly string[];
  /** Served where they are ordered here, which is where stock invokers have no room, or there is none. */
  plainKinds: readonly string[];
  cluster: string;
  tags: readonly string[];
  leaseTtlMs: number;
  actionsMax: number;
  actionsIntervalMs: number;
  pullsMax: number;
  pulledMax: number;
  capacity: number;
  idleMs: number;
  lostMs: number;
  surplusMs: number;
  surplusMax: number;
  messageBytesMax: number;
}

/** Orders and changes being handled at once. */
const MESSAGES_AT_ONCE = 500;

export class FpcFrontEnd implements FrontEnd {
  readonly #bus: Bus;
  readonly #topics: Topics;
  readonly #adapters: FpcAdapters;
  readonly #options: FpcOptions;
  readonly #metrics: BalancerMetrics;
  readonly #log: Logger;
  readonly #keys: EtcdKeys;
  readonly #leased: LeasedKeys;
  readonly #hints: Hints;
  readonly #known: KnownActions;
  readonly #actions: TetrisActions;
  readonly #invokerKey: VirtualInvokerKey;
  readonly #pulled: PulledActions;
  readonly #orders: Orders;
  readonly #subscriptions: Subscription[] = [];
  readonly #unwatch: (() => void)[] = [];
  #accept: (arrival: Arrival) => Promise<void> = async () => undefined;
  #usable = false;
  #closed = false;

  constructor(
    parts: { bus: Bus; topics: Topics; metrics: BalancerMetrics; log: Logger; now: () => number },
    adapters: FpcAdapters,
    options: FpcOptions,
  ) {
    const { metrics, log, now } = parts;
    const { etcd, schedulers } = adapters;
    const { invoker, kinds, plainKinds } = options;
    this.#bus = parts.bus;
    this.#topics = parts.topics;
    this.#adapters = adapters;
    this.#options = options;
    this.#metrics = metrics;
    this.#log = log;
    const isOurKind = (kind: string): boolean => kinds.includes(kind);
    const keys = (this.#keys = new EtcdKeys(options.cluster));
    const leased = (this.#leased = new LeasedKeys(etcd, { ttlMs: options.leaseTtlMs }, log));
    this.#hints = new Hints(keys, leased, { invoker, hintsMax: options.actionsMax });
    this.#known = new KnownActions(options.actionsMax);
    this.#actions = new TetrisActions(
      adapters.entityChanges,
      { isOurKind, intervalMs: options.actionsIntervalMs },
      {
        present: ({ name, revision, memoryMb }) => {
          for (const action of this.#known.present(name, revision, memoryMb)) this.#hints.put(action);
        },
        gone: (name) => {
          this.#known.gone(name);
          this.#hints.forget(name);
        },
      },
      log,
    );
    this.#invokerKey = new VirtualInvokerKey(keys, leased, { ...options, id: invoker, uniqueName: options.owner });
    const accept = async (value: Buffer): Promise<void> => this.#activation(value);
    const stopped = (reason: string): void => void metrics.pullsEnded.inc({ reason });
    this.#pulled = new PulledActions({ etcd, keys, leased, schedulers, accept, stopped, now, log }, options);
    this.#orders = new Orders(
      {
        pulled: this.#pulled,
        isUsable: () => this.#usable && !this.#closed,
        isServed: (kind) => isOurKind(kind) || plainKinds.some((plain) => matchesKind(plain, kind)),
        send: async (scheduler, ack) => void (await this.#bus.send(this.#topics.creationAck(scheduler), ack)),
        outcome: (outcome) => void metrics.orders.inc({ outcome }),
        invoker: virtualInvokerId(invoker, options.userMemoryBytes, options.name),
        log,
      },
      options,
    );
  }

  async start(accept: (arrival: Arrival) => Promise<void>): Promise<void> {
    this.#accept = accept;
    const { invoker, owner, messageBytesMax } = this.#options;
    await this.#invokerKey.claim(this.#adapters.etcd);
    const topic = this.#topics.invoker(invoker);
    // Held orders take up capacity; what a crash interrupts comes again.
    const capacity = this.#options.surplusMax + MESSAGES_AT_ONCE;
    const orders = { topic, group: topic, from: 'earliest', commit: 'after', capacity } as const;
    await this.#subscribe(orders, TOPIC_SETTINGS.invoker, async (value) => this.#order(value));
    const changes = this.#topics.cacheInvalidation;
    const settings = { ...TOPIC_SETTINGS.cacheInvalidation, messageBytesMax };
    const news = { topic: changes, group: `${changes}-${owner}`, from: 'latest', capacity: MESSAGES_AT_ONCE } as const;
    await this.#subscribe(news, settings, async () => void this.#actions.look());
    await this.#actions.look();
    await this.#watch(this.#keys.schedulers, () => this.#schedulerSeen());
    await this.#watch(this.#keys.queues, (key) => this.#queueSeen(key));
  }

  async announce(fleet: FleetState): Promise<void> {
    if (this.#closed) return;
    const changed = fleet.usable !== this.#usable;
    this.#usable = fleet.usable;
    this.#metrics.hints.set(this.#hints.size);
    this.#metrics.pulledActions.set(this.#pulled.size);
    void this.#invokerKey.tell(fleet, fleet.usable ? this.#known.memoryMaxMb : 0);
    if (!changed) return;
    if (fleet.usable) this.#hints.show();
    else await this.#hints.hide();
  }

  /** Orders go elsewhere first, then the pulls end, then the keys go. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const unwatch of this.#unwatch) unwatch();
    await this.#actions.stop();
    void this.#hints.hide();
    void this.#invokerKey.remove();
    this.#orders.close();
    await Promise.all(this.#subscriptions.map(async (subscription) => subscription.stop()));
    await this.#pulled.stop();
    await this.#leased.close();
  }

  async #subscribe(
    options: Omit<SubscribeOptions, 'handler'>,
    settings: TopicSettings,
    handle: (value: Buffer) => Promise<void>,
  ): Promise<void> {
    await this.#bus.ensureTopic(options.topic, settings);
    const handler = async ({ value }: { value: Buffer }): Promise<void> => handle(value);
    this.#subscriptions.push(await this.#bus.subscribe({ ...options, handler }));
  }

  async #watch(prefix: string, put: (key: string) => void): Promise<void> {
    const watcher = {
      present: (entries: readonly { key: string }[]): void => entries.forEach(({ key }) => put(key)),
      put: ({ key }: { key: string }): void => put(key),
      deleted: (): void => undefined,
    };
    this.#unwatch.push(await this.#adapters.etcd.watch(prefix, watcher));
  }

  async #order(value: Buffer): Promise<void> {
    let order: ReturnType<typeof readOrder>;
    try {
      order = readOrder(value);
    } catch (error) {
      this.#metrics.invalid.inc({ topic: 'invoker' });
      this.#log.error({ bytes: value.length, reason: errorMessage(error) }, 'unreadable order dropped');
      return;
    }
    if ('deletion' in order) {
      const { invocationNamespace, action, revision } = order.deletion;
      return this.#pulled.stopRevisions(invocationNamespace, fullyQualifiedName(action), revision);
    }
    const action = actionOf(order.creation);
    await this.#orders.ordered(order.creation, (outcome) => {
      if (outcome === 'warm-up') this.#schedulerSeen();
      if (outcome === 'begun' && action !== undefined) this.#hintFor(action.namespace, action.name);
    });
  }

  async #activation(value: Buffer): Promise<void> {
    let arrival: Arrival;
    try {
      arrival = readArrival(value, this.#options.invoker);
    } catch (error) {
      this.#metrics.invalid.inc({ topic: 'pulled' });
      this.#log.error({ bytes: value.length, reason: errorMessage(error) }, 'unreadable activation dropped');
      return;
    }
    await this.#accept(arrival);
  }

  /** One that has begun knows no hints of before. */
  #schedulerSeen(): void {
    if (this.#usable && !this.#closed) this.#hints.show();
  }

  #queueSeen(key: string): void {
    const queue = this.#keys.queueOf(key);
    if (queue !== undefined) this.#hintFor(queue.namespace, queue.name);
  }

  #hintFor(namespace: string, name: { path: string; name: string }): void {
    const action = this.#known.invoked(namespace, name);
    if (action !== undefined) this.#hints.put(action);
  }
}
