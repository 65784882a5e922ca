/**
 * The front end for OpenWhisk's new scheduler (FPC): to the schedulers, this load balancer is one invoker with one
 * container for each action, which pulls whatever comes (docs/decisions/0060).
 *
 * - A key in etcd says that the invoker is up, and how much memory it has; keys beside it attract the orders for actions
 *   of our kinds ({@link Attraction}).
 * - Orders come by `P+invoker<id>` and are acked by `P+creationAck<scheduler>` ({@link Orders}).
 * - What an order begins is pulled by gRPC and handed on ({@link ActionPulls}).
 */
import { fullyQualifiedName, LeasedKeys, type Subscription, TOPIC_SETTINGS, within } from '@tetris/common';
import type { Arrival, FleetState, FrontEnd, FrontEndParts } from '../front-end';
import { matchesKind } from '../placement/placement';
import { readArrival } from '../relay/arrival';
import { virtualInvokerId } from '../relay/translate';
import { readOrDrop } from '../unreadable';
import { Attraction, type AttractionParts } from './attraction';
import { EtcdKeys } from './etcd-keys';
import type { Order } from './messages';
import type { FpcAdapters, FpcOptions } from './options';
import { OrderFeed } from './order-feed';
import { actionOf, Orders } from './orders';
import { PulledActions } from './pulled-actions';
import { VirtualInvokerKey } from './virtual-invoker-key';

/** Orders that are not held, and changes, being handled at once. */
const MESSAGES_AT_ONCE = 500;
/** Wait until etcd has our keys no more, ms: schedulers order here as long as they see them. */
const ABSENT_MS_MAX = 3_000;

export class FpcFrontEnd implements FrontEnd {
  readonly #parts: FrontEndParts;
  readonly #adapters: FpcAdapters;
  readonly #options: FpcOptions;
  readonly #leased: LeasedKeys;
  readonly #attraction: Attraction;
  readonly #invokerKey: VirtualInvokerKey;
  readonly #pulled: PulledActions;
  readonly #orders: Orders;
  readonly #orderFeed: OrderFeed;
  #changes: Subscription | undefined;
  #accept: (arrival: Arrival) => Promise<void> = async () => undefined;
  #usable = false;
  #closed = false;

  constructor(parts: FrontEndParts, adapters: FpcAdapters, options: FpcOptions) {
    const { bus, topics, metrics, log, now } = parts;
    const { etcd, schedulers, entityChanges } = adapters;
    const { invoker, kinds, plainKinds } = options;
    this.#parts = parts;
    this.#adapters = adapters;
    this.#options = options;
    const isOurKind = (kind: string): boolean => kinds.includes(kind);
    const keys = new EtcdKeys(options.cluster);
    const leased = (this.#leased = new LeasedKeys(etcd, { ttlMs: options.leaseTtlMs }, log));
    this.#invokerKey = new VirtualInvokerKey(keys, leased, { ...options, id: invoker, uniqueName: options.owner });
    const accept = async (value: Buffer): Promise<void> => this.#activation(value);
    const stopped = (reason: string): void => void metrics.pullsEnded.inc({ reason });
    this.#pulled = new PulledActions({ etcd, keys, leased, schedulers, accept, stopped, now, log }, options);
    const queueSeen: AttractionParts['queueSeen'] = (action, scheduler) => {
      if (this.#usable && !this.#closed) this.#pulled.queueSeen(action, scheduler);
    };
    const attractionParts = { etcd, keys, leased, entityChanges, queueSeen, now, log };
    this.#attraction = new Attraction(attractionParts, { ...options, isOurKind });
    this.#orders = new Orders(
      {
        pulled: this.#pulled,
        isUsable: () => this.#usable && !this.#closed,
        isServed: (kind) => isOurKind(kind) || plainKinds.some((plain) => matchesKind(plain, kind)),
        send: async (scheduler, ack) => void (await bus.send(topics.creationAck(scheduler), ack)),
        outcome: (outcome) => void metrics.orders.inc({ outcome }),
        invoker: virtualInvokerId(invoker, options.userMemoryBytes, options.name),
        log,
      },
      options,
    );
    const capacity = options.surplusMax + MESSAGES_AT_ONCE;
    this.#orderFeed = new OrderFeed(parts, { invoker, capacity });
  }

  async start(accept: (arrival: Arrival) => Promise<void>): Promise<void> {
    this.#accept = accept;
    await this.#invokerKey.claim(this.#adapters.etcd);
    await this.#orderFeed.start(async (order) => this.#order(order));
    await this.#followChanges();
    await this.#attraction.start();
  }

  /** @throws PluginError where the canary cannot be sent */
  async announce({ usable, freeBytes }: FleetState): Promise<void> {
    if (this.#closed) return;
    const isUp = usable && this.#orderFeed.hears;
    const changed = isUp !== this.#usable;
    this.#usable = isUp;
    const { hints, pulledActions } = this.#parts.metrics;
    hints.set(this.#attraction.hints);
    pulledActions.set(this.#pulled.size);
    void this.#invokerKey.tell({ usable: isUp, freeBytes }, isUp ? this.#attraction.orderedMaxMb : 0);
    this.#attraction.tick();
    if (changed && isUp) {
      this.#attraction.show();
      this.#orders.release();
    }
    if (changed && !isUp) void this.#attraction.hide();
    await this.#orderFeed.sendCanary();
  }

  /** Orders go elsewhere first, then the pulls end, then the keys go. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await within(Promise.all([this.#attraction.stop(), this.#invokerKey.remove()]), ABSENT_MS_MAX);
    this.#orders.close();
    await Promise.all([this.#orderFeed.stop(), this.#changes?.stop()]);
    await this.#pulled.stop();
    await this.#leased.close();
  }

  /** What controllers tell each other when an entity has changed. */
  async #followChanges(): Promise<void> {
    const { bus, topics } = this.#parts;
    const { owner, messageBytesMax } = this.#options;
    const topic = topics.cacheInvalidation;
    await bus.ensureTopic(topic, { ...TOPIC_SETTINGS.cacheInvalidation, messageBytesMax });
    const options = { topic, group: `${topic}-${owner}`, from: 'latest', capacity: MESSAGES_AT_ONCE } as const;
    this.#changes = await bus.subscribe({ ...options, handler: async () => this.#attraction.look() });
  }

  async #order(order: Order): Promise<void> {
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
    const { invoker, cluster } = this.#options;
    const source = { kind: 'pulled', what: 'activation', from: cluster } as const;
    const arrival = readOrDrop((text) => readArrival(text, invoker), value, source, this.#parts);
    if (arrival !== undefined) await this.#accept(arrival);
  }
}
