/**
 * Reads `Q+completed<controller>` for every controller that has sent something. Each load balancer reads all acks in a
 * group of its own and passes on those of its own activations only (see docs/decisions/0010).
 */
import type { Bus, Logger, Subscription, TopicSettings, Topics } from '@tetris/common';
import type { ReceivedAck } from '../front-end';
import type { BalancerMetrics } from '../metrics';
import { readOrDrop } from '../unreadable';
import { readReceivedAck } from './received-ack';

export interface AckFeedOptions {
  /** Name of this load balancer; part of the consumer group. */
  owner: string;
  /** Acks being passed on at once. */
  capacity: number;
  settings: TopicSettings;
  /** Controllers ever listened to; a topic each. */
  controllersMax: number;
}

export class AckFeed {
  readonly #bus: Bus;
  readonly #topics: Topics;
  readonly #options: AckFeedOptions;
  readonly #handler: (ack: ReceivedAck) => Promise<void>;
  readonly #metrics: BalancerMetrics;
  readonly #log: Logger;
  readonly #feeds = new Map<string, Promise<Subscription>>();

  constructor(
    parts: { bus: Bus; topics: Topics; metrics: BalancerMetrics; log: Logger },
    options: AckFeedOptions,
    handler: (ack: ReceivedAck) => Promise<void>,
  ) {
    this.#bus = parts.bus;
    this.#topics = parts.topics;
    this.#metrics = parts.metrics;
    this.#log = parts.log;
    this.#options = options;
    this.#handler = handler;
  }

  /** Creates the topic and reads it. Invokers may produce to it once this has resolved. */
  async listenTo(controller: string): Promise<void> {
    let feed = this.#feeds.get(controller);
    if (feed === undefined) {
      if (this.#feeds.size >= this.#options.controllersMax) {
        this.#log.error({ controller }, 'too many controllers: acks for this one are not read');
        return;
      }
      feed = this.#open(controller);
      this.#feeds.set(controller, feed);
      feed.catch(() => this.#feeds.delete(controller));
    }
    await feed;
  }

  async close(): Promise<void> {
    const feeds = [...this.#feeds.values()];
    await Promise.allSettled(feeds.map(async (feed) => (await feed).stop()));
  }

  async #open(controller: string): Promise<Subscription> {
    const topic = this.#topics.completed(controller);
    await this.#bus.ensureTopic(topic, this.#options.settings);
    return this.#bus.subscribe({
      topic,
      group: `${topic}-${this.#options.owner}`,
      // An ack that a crash interrupts must come again: its activation is in the journal, and nobody else will answer.
      commit: 'after',
      capacity: this.#options.capacity,
      handler: async ({ value }) => this.#receive(value, topic),
    });
  }

  async #receive(value: Buffer, topic: string): Promise<void> {
    const source = { kind: 'completed', what: 'ack', from: topic } as const;
    const ack = readOrDrop(readReceivedAck, value, source, { metrics: this.#metrics, log: this.#log });
    if (ack !== undefined) await this.#handler(ack);
  }
}
