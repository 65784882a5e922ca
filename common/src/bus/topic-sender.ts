import { PluginError } from '../errors';
import { pauseMs } from '../flow/backoff';
import { type Clock, SYSTEM_CLOCK } from '../flow/clock';
import { busUnavailable, classifySendError } from './kafka-errors';

/** Bounds of one bus, shared by the senders of all its topics. */
export interface SendLimits {
  /** How long a message may wait for a broker that cannot be reached. */
  sendTimeoutMs: number;
  /**
   * Most bytes of several messages in one request. A broker bounds the sum like a single message, so keep it well
   * below.
   */
  batchBytesMax: number;
  /** Most bytes waiting, over all topics. */
  queueBytesMax: number;
}

/** Bytes waiting in all senders of a bus. */
export interface QueuedBytes {
  bytes: number;
}

/** Appends messages to one partition of the topic in one request. @returns the position of the first, where known */
export type Produce = (values: Buffer[]) => Promise<number | void>;

interface Pending {
  value: Buffer;
  deadlineMs: number;
  resolve: (position: number | void) => void;
  reject: (error: PluginError) => void;
}

interface Unwritten {
  batch: Pending[];
  error: unknown;
}

const BACKOFF = { firstMs: 50, maxMs: 1_000 };

/**
 * The queue in front of one topic: what is sent while a request is on its way goes out together in the next, in order.
 *
 * One request per topic at a time, and one partition per request: a request then fails as a whole or not at all, so a
 * message is never repeated because its neighbour failed.
 */
export class TopicSender {
  readonly #topic: string;
  readonly #produce: Produce;
  readonly #limits: SendLimits;
  readonly #queued: QueuedBytes;
  readonly #clock: Clock;
  #queue: Pending[] = [];
  #drained: Promise<void> | undefined;

  constructor(topic: string, produce: Produce, limits: SendLimits, queued: QueuedBytes, clock = SYSTEM_CLOCK) {
    this.#topic = topic;
    this.#produce = produce;
    this.#limits = limits;
    this.#queued = queued;
    this.#clock = clock;
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** Resolves when nothing waits any more. */
  async drained(): Promise<void> {
    await this.#drained;
  }

  /** @returns its position in the topic. @throws PluginError `ERR_MESSAGE_TOO_LARGE`, `ERR_BUS_UNAVAILABLE` */
  async send(value: Buffer): Promise<number | void> {
    if (this.#queued.bytes + value.length > this.#limits.queueBytesMax) {
      throw busUnavailable(`more than ${this.#limits.queueBytesMax} bytes wait for the broker`, 'no');
    }
    this.#queued.bytes += value.length;
    const sent = new Promise<number | void>((resolve, reject) => {
      this.#queue.push({ value, deadlineMs: this.#clock.now() + this.#limits.sendTimeoutMs, resolve, reject });
    });
    this.#drained ??= this.#drain();
    try {
      return await sent;
    } finally {
      this.#queued.bytes -= value.length;
    }
  }

  async #drain(): Promise<void> {
    // A moment for the other sends of this tick to join.
    await new Promise((resolve) => setImmediate(resolve));
    for (let failures = 0; this.#queue.length > 0;) {
      const left = await this.#deliver(this.#nextBatch());
      if (left === undefined) {
        failures = 0;
        continue;
      }
      failures += 1;
      const ms = pauseMs(BACKOFF, failures, this.#clock.random);
      this.#queue = this.#inTime([...left.batch, ...this.#queue], ms, left.error);
      if (this.#queue.length > 0) await this.#clock.sleep(ms);
    }
    this.#drained = undefined;
  }

  #nextBatch(): Pending[] {
    let bytes = 0;
    let count = 0;
    for (const { value } of this.#queue) {
      bytes += value.length;
      if (count > 0 && bytes > this.#limits.batchBytesMax) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  /** Settles the messages of a batch, except those that it returns: they were not written, and may be sent again. */
  async #deliver(batch: Pending[]): Promise<Unwritten | undefined> {
    try {
      const first = await this.#produce(batch.map(({ value }) => value));
      batch.forEach(({ resolve }, at) => resolve(first === undefined ? undefined : first + at));
      return undefined;
    } catch (error) {
      const failure = classifySendError(error);
      if (failure === 'notWritten') return { batch, error };
      if (failure === 'tooLarge' && batch.length > 1) return this.#deliverSingly(batch);
      for (const { value, reject } of batch) reject(this.#asError(error, value));
      return undefined;
    }
  }

  async #deliverSingly(batch: Pending[]): Promise<Unwritten | undefined> {
    for (const [index, message] of batch.entries()) {
      const left = await this.#deliver([message]);
      if (left !== undefined) return { ...left, batch: batch.slice(index) };
    }
    return undefined;
  }

  /** Each message has its own time: those that will be late after the pause are rejected, the others stay, in order. */
  #inTime(messages: Pending[], pauseMs: number, error: unknown): Pending[] {
    const nextMs = this.#clock.now() + pauseMs;
    const late = messages.filter(({ deadlineMs }) => deadlineMs < nextMs);
    for (const { value, reject } of late) reject(this.#asError(error, value));
    return late.length === 0 ? messages : messages.filter(({ deadlineMs }) => deadlineMs >= nextMs);
  }

  #asError(error: unknown, value: Buffer): PluginError {
    const failure = classifySendError(error);
    if (failure === 'tooLarge') {
      const text = `message of ${value.length} bytes exceeds the limit of topic ${this.#topic}`;
      return new PluginError('ERR_MESSAGE_TOO_LARGE', text, { cause: error });
    }
    const written = failure === 'unknown' ? 'unknown' : 'no';
    return busUnavailable(`could not send to topic ${this.#topic}`, written, error);
  }
}
