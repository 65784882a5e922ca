/**
 * The topic by which schedulers order containers of this invoker. What cannot hear its orders is no invoker, so this
 * process sends itself a canary by the same way.
 */
import { type Subscription, TOPIC_SETTINGS } from '@tetris/common';
import type { FrontEndParts } from '../front-end';
import { readOrDrop } from '../unreadable';
import { type Order, readOrder } from './messages';

export interface OrderFeedOptions {
  invoker: number;
  /** Orders being handled at once, those that are held included. */
  capacity: number;
}

const CANARY = Buffer.from('{"canary":true}');
/** After so long without one, ms. */
const CANARY_MS_MAX = 10_000;

export class OrderFeed {
  readonly #parts: FrontEndParts;
  readonly #options: OrderFeedOptions;
  readonly #topic: string;
  #heardMs = Number.NEGATIVE_INFINITY;
  #subscription: Subscription | undefined;

  constructor(parts: FrontEndParts, options: OrderFeedOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#topic = parts.topics.invoker(options.invoker);
  }

  /** @param handle resolves when the order has been answered: one that a crash interrupts comes again */
  async start(handle: (order: Order) => Promise<void>): Promise<void> {
    const { bus } = this.#parts;
    const topic = this.#topic;
    await bus.ensureTopic(topic, TOPIC_SETTINGS.invoker);
    const handler = async ({ value }: { value: Buffer }): Promise<void> => {
      if (value.equals(CANARY)) this.#heardMs = this.#parts.now();
      else await this.#handle(value, handle);
    };
    const { capacity } = this.#options;
    const options = { topic, group: topic, from: 'earliest', commit: 'after', capacity, handler } as const;
    this.#subscription = await bus.subscribe(options);
  }

  /** Have our own messages come back of late? */
  get hears(): boolean {
    return this.#parts.now() - this.#heardMs <= CANARY_MS_MAX;
  }

  /** To be called each second. @throws PluginError where it cannot be sent */
  async sendCanary(): Promise<void> {
    await this.#parts.bus.send(this.#topic, CANARY);
  }

  async stop(): Promise<void> {
    await this.#subscription?.stop();
  }

  async #handle(value: Buffer, handle: (order: Order) => Promise<void>): Promise<void> {
    const source = { kind: 'invoker', what: 'order', from: this.#topic } as const;
    const order = readOrDrop(readOrder, value, source, this.#parts);
    if (order !== undefined) await handle(order);
  }
}
