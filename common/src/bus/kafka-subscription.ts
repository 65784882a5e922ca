import { randomUUID } from 'node:crypto';
import { type Consumer, type EachBatchPayload, type Kafka, type KafkaMessage, KafkaJSNonRetriableError } from 'kafkajs';
import { retry } from '../flow/retry';
import type { Logger } from '../log';
import type { SubscribeOptions, Subscription } from './bus';
import { HandledPositions } from './handled-positions';
import { Intake } from './intake';
import { busUnavailable, commitWasRefused } from './kafka-errors';
import { positionOf } from './kafka-position';
import { whileStarting } from './while-starting';

/** Times of a consumer, all ms. */
export interface ConsumerTimes {
  sessionTimeoutMs: number;
  heartbeatMs: number;
  fetchWaitMs: number;
  /** How long a subscription may take to begin. */
  startTimeoutMs: number;
}

const FETCH_BYTES_MAX = 4 * 1_048_576;
/** How long members have to come back when the group forms anew, in session timeouts. */
const REBALANCE_SESSIONS = 2;
const RESTART = { firstMs: 100, maxMs: 2_000 };

/**
 * One consumer of one topic. At most once: commit, then hand out. At least once: hand out, and commit what has been
 * handled.
 *
 * A connection may be lost between a commit and its answer, or the answer be an error of a commit that lasts. So each
 * commit bears this subscription's id, and the next consumer asks what has been committed and by whom: what was
 * committed here and not handed out yet is handed out then, and only then.
 *
 * kafkajs can restart a crashed consumer itself, but from a timer whose failure nobody handles; so its restart is
 * turned off and a new consumer is made here, again and again while the broker is away.
 */
export class KafkaSubscription implements Subscription {
  readonly #kafka: Kafka;
  readonly #options: SubscribeOptions;
  readonly #times: ConsumerTimes;
  readonly #log: Logger;
  readonly #intake: Intake;
  #consumer: Consumer | undefined;
  #restarting: Promise<void> | undefined;
  readonly #ending = new AbortController();
  /** By partition; begun anew with each consumer, which is given again what was not committed. */
  #handled = new Map<number, HandledPositions>();
  readonly #id = randomUUID();
  /** By partition: what was to be handed out after a commit of which nobody knows whether it was made. */
  readonly #unsure = new Map<number, readonly KafkaMessage[]>();

  private constructor(kafka: Kafka, options: SubscribeOptions, times: ConsumerTimes, log: Logger) {
    this.#kafka = kafka;
    this.#options = options;
    this.#times = times;
    this.#log = log.child({ topic: options.topic, group: options.group });
    this.#intake = new Intake(options, this.#log);
  }

  /**
   * Resolves when the consumer has its place in the topic: what is sent from now on is read.
   * @throws PluginError `ERR_BUS_UNAVAILABLE`
   */
  static async open(
    kafka: Kafka,
    options: SubscribeOptions,
    times: ConsumerTimes,
    log: Logger,
  ): Promise<KafkaSubscription> {
    const subscription = new KafkaSubscription(kafka, options, times, log);
    try {
      // A coordinator may be loading, a broker restarting, a topic not known to every broker yet.
      await whileStarting(times.startTimeoutMs, () => subscription.#start());
      return subscription;
    } catch (error) {
      throw busUnavailable(`cannot read topic ${options.topic}`, 'no', error);
    }
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#restarting;
    await this.#consumer?.disconnect().catch(() => undefined);
    await this.#intake.idle();
  }

  /** Leaves no consumer behind where it fails. */
  async #start(): Promise<void> {
    const consumer = this.#newConsumer();
    this.#consumer = consumer;
    this.#handled = new Map();
    try {
      await this.#settleUnsure();
      await consumer.connect();
      await consumer.subscribe({ topic: this.#options.topic, fromBeginning: this.#options.from !== 'latest' });
      const running = consumer.run({ autoCommit: false, eachBatchAutoResolve: false, eachBatch: this.#batch });
      await Promise.all([this.#placed(consumer), running]);
      consumer.on(consumer.events.CRASH, ({ payload }) => this.#restart(payload.error));
    } catch (error) {
      await consumer.disconnect().catch(() => undefined);
      throw error;
    }
  }

  #newConsumer(): Consumer {
    const { sessionTimeoutMs, heartbeatMs, fetchWaitMs } = this.#times;
    return this.#kafka.consumer({
      groupId: this.#options.group,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: REBALANCE_SESSIONS * sessionTimeoutMs,
      heartbeatInterval: heartbeatMs,
      maxWaitTimeInMs: fetchWaitMs,
      minBytes: 1,
      maxBytesPerPartition: FETCH_BYTES_MAX,
      allowAutoTopicCreation: false,
      retry: { retries: 2, restartOnFailure: async () => false },
    });
  }

  /**
   * Resolves with the first fetch, rejects where the consumer crashes before. Joining the group is not enough: a group
   * without a committed offset looks up the topic's end with its first fetch, and would miss what is sent in between.
   */
  #placed(consumer: Consumer): Promise<void> {
    const { startTimeoutMs, sessionTimeoutMs } = this.#times;
    // A little longer than the group waits for a member that is gone; then another consumer may do better than one that
    // is stuck.
    const attemptMs = Math.min(startTimeoutMs, (REBALANCE_SESSIONS + 0.5) * sessionTimeoutMs);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the group did not form in time')), attemptMs);
      const settle = (error?: Error): void => {
        clearTimeout(timer);
        removers.forEach((remove) => remove());
        if (error === undefined) resolve();
        else reject(error);
      };
      const removers = [
        consumer.on(consumer.events.FETCH, () => settle()),
        consumer.on(consumer.events.CRASH, ({ payload }) => settle(payload.error)),
      ];
    });
  }

  #restart(error: Error): void {
    if (this.#ending.signal.aborted || this.#restarting !== undefined) return;
    this.#log.warn({ err: error }, 'consumer lost its broker');
    this.#restarting = this.#untilStarted().finally(() => (this.#restarting = undefined));
  }

  async #untilStarted(): Promise<void> {
    const { signal } = this.#ending;
    const again = (error: unknown): boolean => {
      this.#log.debug({ err: error }, 'broker is still away');
      return true;
    };
    try {
      await retry(() => this.#start(), { backoff: RESTART, signal, again });
      this.#log.info('consumer is back');
    } catch {
      // Stopped meanwhile.
    }
  }

  /** One fetched batch, in pieces of the capacity: waits for room before each. */
  readonly #batch = async (fetched: EachBatchPayload): Promise<void> => {
    const { messages } = fetched.batch;
    const { capacity, commit } = this.#options;
    const going = (): boolean => fetched.isRunning() && !fetched.isStale() && !this.#ending.signal.aborted;
    for (let from = 0; from < messages.length && going(); from += capacity) {
      while (!this.#intake.hasRoom && going()) {
        await this.#intake.room(this.#times.heartbeatMs);
        await fetched.heartbeat();
      }
      const piece = messages.slice(from, from + capacity);
      if (!going()) return;
      await (commit === 'after' ? this.#handOutFirst(fetched, piece) : this.#commitFirst(fetched, piece));
    }
  };

  /** At most once: a failed commit hands out nothing. */
  async #commitFirst(fetched: EachBatchPayload, piece: readonly KafkaMessage[]): Promise<void> {
    const { topic, partition } = fetched.batch;
    const last = piece.at(-1)?.offset ?? '';
    try {
      await this.#commit(fetched, BigInt(last) + 1n);
    } catch (error) {
      if (commitWasRefused(error)) throw error;
      this.#unsure.set(partition, piece);
      // Ends this consumer: one that went on would not ask what has been committed.
      throw new KafkaJSNonRetriableError(error as Error);
    }
    fetched.resolveOffset(last);
    this.#handOut(topic, piece, partition);
  }

  /** At least once: commits what has been handled by now, which nobody waits for. */
  async #handOutFirst(fetched: EachBatchPayload, piece: readonly KafkaMessage[]): Promise<void> {
    const { topic, partition } = fetched.batch;
    const handled = this.#handledOf(partition);
    fetched.resolveOffset(piece.at(-1)?.offset ?? '');
    this.#handOut(topic, piece, partition, handled);
    const position = handled.take();
    if (position !== undefined) await this.#commit(fetched, position);
  }

  async #commit(fetched: EachBatchPayload, position: bigint): Promise<void> {
    const { topic, partition } = fetched.batch;
    const partitions = [{ partition, offset: String(position), metadata: this.#id }];
    await fetched.commitOffsetsIfNecessary({ topics: [{ topic, partitions }] });
  }

  /**
   * Between two consumers: hands out what turns out to have been committed here; anything else comes again or is
   * another's.
   */
  async #settleUnsure(): Promise<void> {
    if (this.#unsure.size === 0) return;
    const { topic, group: groupId } = this.#options;
    const admin = this.#kafka.admin({ retry: { retries: 0 } });
    try {
      await admin.connect();
      const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] });
      for (const { partition, offset, metadata } of committed?.partitions ?? []) {
        const unsure = metadata === this.#id ? this.#unsure.get(partition) : undefined;
        const ours = unsure?.filter((message) => BigInt(message.offset) < BigInt(offset)) ?? [];
        this.#handOut(topic, ours, partition);
      }
      this.#unsure.clear();
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
  }

  #handOut(topic: string, piece: readonly KafkaMessage[], partition: number, handled?: HandledPositions): void {
    for (const { value, offset } of piece) {
      handled?.handedOut(BigInt(offset));
      const position = positionOf(partition, offset);
      const message = { topic, value: value ?? Buffer.alloc(0), ...(position === undefined ? {} : { position }) };
      this.#intake.accept(message, () => handled?.handled(BigInt(offset)));
    }
  }

  #handledOf(partition: number): HandledPositions {
    const handled = this.#handled.get(partition) ?? new HandledPositions();
    this.#handled.set(partition, handled);
    return handled;
  }
}
