import { setTimeout as delay } from 'node:timers/promises';
import { PluginError } from '../errors';
import { busUnavailable, classifySendError } from './kafka-errors';

/** Bounds of one bus, shared by the senders of all its topics. */
export interface SendLimits {
  /** How long a message may wait for a broker that cannot be reached. */
  sendTimeoutMs: number;
  /** Most bytes of several messages in one request. A broker bounds the sum like a single message, so keep it well below. */
  batchBytesMax: number;
  /** Most bytes waiting, over all topics. */
  queueBytesMax: number;
}

/** Bytes waiting in all senders of a bus. */
export interface QueuedBytes {
  bytes: number;
}

/** Appends messages to one partition of the topic in one request. */
export type Produce = (values: Buffer[]) => Promise<void>;

interface Pending {
  value: Buffer;
  deadlineMs: number;
  resolve: () => void;
  reject: (error: PluginError) => void;
}

const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 1_000;

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
  #queue: Pending[] = [];
  #drained: Promise<void> | undefined;

  constructor(topic: string, produce: Produce, limits: SendLimits, queued: QueuedBytes) {
    this.#topic = topic;
    this.#produce = produce;
    this.#limits = limits;
    this.#queued = queued;
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** Resolves when nothing waits any more. */
  async drained(): Promise<void> {
    await this.#drained;
  }

  /** @throws PluginError `ERR_MESSAGE_TOO_LARGE`, `ERR_BUS_UNAVAILABLE` */
  async send(value: Buffer): Promise<void> {
    if (this.#queued.bytes + value.length > this.#limits.queueBytesMax) {
      throw busUnavailable(`more than ${this.#limits.queueBytesMax} bytes wait for the broker`, 'no');
    }
    this.#queued.bytes += value.length;
    const sent = new Promise<void>((resolve, reject) => {
      this.#queue.push({ value, deadlineMs: Date.now() + this.#limits.sendTimeoutMs, resolve, reject });
    });
    this.#drained ??= this.#drain();
    try {
      await sent;
    } finally {
      this.#queued.bytes -= value.length;
    }
  }

  async #drain(): Promise<void> {
    // A moment for the other sends of this tick to join.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) await this.#deliver(this.#nextBatch());
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

  /** Settles every message of the batch; never rejects. */
  async #deliver(batch: Pending[]): Promise<void> {
    const oldest = batch[0];
    if (oldest === undefined) return;
    for (let retryMs = RETRY_FIRST_MS; ; retryMs = Math.min(retryMs * 2, RETRY_MAX_MS)) {
      try {
        await this.#produce(batch.map(({ value }) => value));
        for (const { resolve } of batch) resolve();
        return;
      } catch (error) {
        const failure = classifySendError(error);
        if (failure === 'tooLarge' && batch.length > 1) {
          for (const message of batch) await this.#deliver([message]);
          return;
        }
        if (failure !== 'notWritten' || Date.now() + retryMs > oldest.deadlineMs) {
          for (const { value, reject } of batch) reject(this.#asError(error, value));
          return;
        }
      }
      await delay(retryMs);
    }
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
