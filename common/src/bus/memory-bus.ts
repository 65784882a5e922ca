import { PluginError } from '../errors';
import type { Logger } from '../log';
import type { TopicSettings } from '../openwhisk/topics';
import type { Bus, BusMessage, SubscribeOptions, Subscription } from './bus';

/** Messages kept in a topic that no group has read yet. Older ones are dropped, as a broker's retention does. */
const RETAINED_MAX = 100_000;

interface Group {
  /** Index into the topic's log of the next message to hand out. */
  position: number;
  members: Member[];
}

interface Member {
  options: SubscribeOptions;
  inFlight: number;
  stopped: boolean;
  onIdle: (() => void) | undefined;
}

interface TopicLog {
  settings: TopicSettings | undefined;
  /** Position of `messages[0]` in the topic's whole history. */
  base: number;
  messages: Buffer[];
  groups: Map<string, Group>;
}

/** An in-process bus with a broker's semantics: retained log, groups, capacity bound, at most once. */
export class MemoryBus implements Bus {
  readonly #topics = new Map<string, TopicLog>();
  readonly #log: Logger;
  #closed = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  async ensureTopic(topic: string, settings: TopicSettings): Promise<void> {
    this.#topic(topic).settings ??= settings;
  }

  async send(topic: string, value: string | Buffer): Promise<number> {
    if (this.#closed) throw new PluginError('ERR_BUS_UNAVAILABLE', 'the bus is closed', { retriable: true });
    const log = this.#topic(topic);
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    const bytesMax = log.settings?.messageBytesMax;
    if (bytesMax !== undefined && bytes.length > bytesMax) {
      throw new PluginError(
        'ERR_MESSAGE_TOO_LARGE',
        `message of ${bytes.length} bytes exceeds ${bytesMax} of topic ${topic}`,
      );
    }
    log.messages.push(bytes);
    if (log.messages.length > RETAINED_MAX) {
      log.messages.shift();
      log.base += 1;
    }
    const position = log.base + log.messages.length - 1;
    for (const group of log.groups.values()) this.#pump(topic, log, group);
    return position;
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    const log = this.#topic(options.topic);
    const end = log.base + log.messages.length;
    let group = log.groups.get(options.group);
    if (group === undefined) {
      group = { position: options.from === 'latest' ? end : log.base, members: [] };
      log.groups.set(options.group, group);
    }
    const member: Member = { options, inFlight: 0, stopped: false, onIdle: undefined };
    group.members.push(member);
    const joined = group;
    setImmediate(() => this.#pump(options.topic, log, joined));
    return {
      stop: async () => {
        member.stopped = true;
        joined.members = joined.members.filter((other) => other !== member);
        if (member.inFlight > 0) await new Promise<void>((resolve) => (member.onIdle = resolve));
      },
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#topics.clear();
  }

  #topic(name: string): TopicLog {
    let log = this.#topics.get(name);
    if (log === undefined) {
      log = { settings: undefined, base: 0, messages: [], groups: new Map() };
      this.#topics.set(name, log);
    }
    return log;
  }

  #pump(topic: string, log: TopicLog, group: Group): void {
    group.position = Math.max(group.position, log.base);
    for (;;) {
      const value = log.messages[group.position - log.base];
      const member = group.members.find((candidate) => candidate.inFlight < candidate.options.capacity);
      if (value === undefined || member === undefined) break;
      const { position } = group;
      group.position += 1;
      this.#deliver({ topic, value, position }, member, () => this.#pump(topic, log, group));
    }
    this.#forget(log);
  }

  /** Drops what every group has read; what nobody has subscribed to yet stays. */
  #forget(log: TopicLog): void {
    if (log.groups.size === 0) return;
    const read = Math.min(...[...log.groups.values()].map((group) => group.position));
    if (read > log.base) {
      log.messages.splice(0, read - log.base);
      log.base = read;
    }
  }

  #deliver(message: BusMessage, member: Member, then: () => void): void {
    member.inFlight += 1;
    const settle = (): void => {
      member.inFlight -= 1;
      if (member.inFlight === 0) member.onIdle?.();
      if (!member.stopped) then();
    };
    setImmediate(() => {
      Promise.resolve()
        .then(() => member.options.handler(message))
        .catch((error: unknown) => this.#log.error({ topic: message.topic, err: error }, 'message handler failed'))
        .finally(settle);
    });
  }
}
