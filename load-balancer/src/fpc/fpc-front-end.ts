/**
 * The front end for OpenWhisk's new scheduler (FPC): to the schedulers, this load balancer is one invoker with one
 * container for each action, which pulls whatever comes (docs/decisions/0060).
 *
 * - A key in etcd says that the invoker is up, and how much memory it has; keys beside it attract the orders for actions
 *   of our kinds ({@link Attraction}).
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
import { Attraction } from './attraction';
import { EtcdKeys } from './etcd-keys';
import { readOrder } from './messages';
import { actionOf, Orders } from './orders';
import { PulledActions } from './pulled-actions';
import type { Schedulers } from './schedulers';
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
/** What this process sends itself each second by the way that orders come: an invoker that cannot hear them is not up. */
const CANARY = Buffer.from('{"canary":true}');
const CANARY_MS_MAX = 10_000;

export class FpcFrontEnd implements FrontEnd {
  readonly #bus: Bus;
  readonly #topics: Topics;
  readonly #adapters: FpcAdapters;
  readonly #options: FpcOptions;
  readonly #metrics: BalancerMetrics;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #leased: LeasedKeys;
  readonly #attraction: Attraction;
  readonly #invokerKey: VirtualInvokerKey;
  readonly #pulled: PulledActions;
  readonly #orders: Orders;
  readonly #subscriptions: Subscription[] = [];
  #accept: (arrival: Arrival) => Promise<void> = async () => undefined;
  #usable = false;
  /** When the canary last came back. */
  #canaryMs = Number.NEGATIVE_INFINITY;
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
    this.#now = now;
    const isOurKind = (kind: string): boolean => kinds.includes(kind);
    const keys = new EtcdKeys(options.cluster);
    const leased = (this.#leased = new LeasedKeys(etcd, { ttlMs: options.leaseTtlMs }, log));
    const { entityChanges } = adapters;
    this.#attraction = new Attraction({ etcd, keys, leased, entityChanges, log }, { ...options, isOurKind });
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
    await this.#subscribe(news, settings, async () => this.#attraction.look());
    await this.#attraction.start();
  }

  /** @throws PluginError where the canary cannot be sent */
  async announce({ usable, freeBytes }: FleetState): Promise<void> {
    if (this.#closed) return;
    const isUp = usable && this.#now() - this.#canaryMs <= CANARY_MS_MAX;
    const changed = isUp !== this.#usable;
    this.#usable = isUp;
    this.#metrics.hints.set(this.#attraction.hints);
    this.#metrics.pulledActions.set(this.#pulled.size);
    void this.#invokerKey.tell({ usable: isUp, freeBytes }, isUp ? this.#attraction.memoryMaxMb : 0);
    if (changed && isUp) {
      this.#attraction.show();
      this.#orders.release();
    }
    if (changed && !isUp) void this.#attraction.hide();
    await this.#bus.send(this.#topics.invoker(this.#options.invoker), CANARY);
  }

  /** Orders go elsewhere first, then the pulls end, then the keys go. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#attraction.stop();
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

  async #order(value: Buffer): Promise<void> {
    if (value.equals(CANARY)) {
      this.#canaryMs = this.#now();
      return;
    }
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
      if (outcome === 'warm-up') this.#attraction.schedulerSeen();
      if (outcome === 'begun' && action !== undefined) this.#attraction.invoked(action.namespace, action.name);
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
}
