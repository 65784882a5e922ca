/** The message bus as the components see it. Adapters: {@link MemoryBus} here, Kafka behind `@tetris/common/kafka`. */
import type { TopicSettings } from '../openwhisk/topics';

export interface BusMessage {
  topic: string;
  /** UTF-8 JSON. */
  value: Buffer;
  /** Of how many messages it comes after in its topic; absent where the topic has several partitions. */
  position?: number;
}

export interface SubscribeOptions {
  topic: string;
  /** Consumer group; OpenWhisk uses the topic's name. Two groups on one topic both get everything. */
  group: string;
  /**
   * Messages handed out and not yet handled; reading pauses at this bound. Unit: messages.
   */
  capacity: number;
  /**
   * `before`: at most once, as in OpenWhisk: the position is committed before the handler is called.
   * `after`: at least once: a position is committed when everything up to it has been handled, so that what a crash
   * interrupts comes again. For messages whose repetition does no harm.
   * @default 'before'
   */
  commit?: 'before' | 'after';
  /** Where a group that is new to the topic begins. Stock is `earliest`; pings want `latest`. @default 'earliest' */
  from?: 'earliest' | 'latest';
  /** One unit of capacity is held until the promise settles; a rejection is logged and loses nothing else. */
  handler: (message: BusMessage) => Promise<void> | void;
}

export interface Subscription {
  /** Stops reading and resolves when every message already handed out has settled. */
  stop(): Promise<void>;
}

export interface Bus {
  /** Creates the topic if it is missing; an existing one is left untouched. */
  ensureTopic(topic: string, settings: TopicSettings): Promise<void>;
  /**
   * Appends one message and resolves when the broker has it, with its {@link BusMessage.position} where that is known.
   * @throws PluginError `ERR_MESSAGE_TOO_LARGE` (not retriable), `ERR_BUS_UNAVAILABLE` (retriable)
   */
  send(topic: string, value: string | Buffer): Promise<number | void>;
  subscribe(options: SubscribeOptions): Promise<Subscription>;
  close(): Promise<void>;
}
