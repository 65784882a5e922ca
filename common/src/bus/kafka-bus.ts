import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Kafka, logLevel } from 'kafkajs';
import type { Admin, LogEntry, Producer, SASLOptions } from 'kafkajs';
import type { PluginError } from '../errors';
import type { Logger } from '../log';
import type { TopicSettings } from '../openwhisk/topics';
import type { Bus, SubscribeOptions, Subscription } from './bus';
import { busUnavailable } from './kafka-errors';
import type { KafkaSecurity } from './kafka-security';
import { type ConsumerTimes, KafkaSubscription } from './kafka-subscription';
import { whileStarting } from './while-starting';
import { positionOf } from './kafka-position';
import { type QueuedBytes, type SendLimits, TopicSender } from './topic-sender';

export interface KafkaOptions extends KafkaSecurity, Partial<SendLimits>, Partial<ConsumerTimes> {
  /** `host:port` of one or more brokers. */
  brokers: readonly string[];
  /** Shown in the broker's logs and metrics. */
  clientId: string;
  /** Of the topics that this bus creates. @default 1, as stock */
  replicationFactor?: number;
  /** ms a broker has to answer a request. @default 30000, as stock */
  requestTimeoutMs?: number;
}

/**
 * A broker drops a dead member of a group after `sessionTimeoutMs`; until then its successor waits. 6 s is the least
 * that brokers allow by default, and less than the 10 s after which a controller takes a silent invoker for dead.
 */
const DEFAULTS = {
  replicationFactor: 1,
  requestTimeoutMs: 30_000,
  sendTimeoutMs: 30_000,
  batchBytesMax: 262_144,
  queueBytesMax: 67_108_864,
  sessionTimeoutMs: 6_000,
  heartbeatMs: 1_000,
  fetchWaitMs: 500,
  startTimeoutMs: 30_000,
} as const;

const CONNECT_TIMEOUT_MS = 5_000;
const KEEP_ALIVE_MS = 60_000;

/** {@link Bus} on Apache Kafka. Records as OpenWhisk's: no key, no headers, acks=1. */
export class KafkaBus implements Bus {
  readonly #kafka: Kafka;
  readonly #options: typeof DEFAULTS & KafkaOptions;
  readonly #log: Logger;
  readonly #senders = new Map<string, TopicSender>();
  readonly #queued: QueuedBytes = { bytes: 0 };
  readonly #subscriptions = new Set<Subscription>();
  #admin: Promise<Admin> | undefined;
  #producer: Promise<Producer> | undefined;
  /** Counts requests; a request's partition is this modulo their number. */
  #turn = 0;
  #closed = false;

  constructor(options: KafkaOptions, log: Logger) {
    this.#options = { ...DEFAULTS, ...options } as typeof DEFAULTS & KafkaOptions;
    this.#log = log;
    this.#kafka = new Kafka({
      brokers: [...options.brokers],
      clientId: options.clientId,
      ...(options.tls === undefined ? {} : { ssl: options.tls }),
      ...(options.sasl === undefined ? {} : { sasl: options.sasl as SASLOptions }),
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: this.#options.requestTimeoutMs,
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 3 },
      // Without this, Nagle's algorithm holds back a request while another is unanswered.
      socketFactory: ({ host, port, ssl, onConnect }) => {
        const socket = ssl
          ? connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ...ssl }, onConnect)
          : connectTcp({ host, port }, onConnect);
        return socket.setKeepAlive(true, KEEP_ALIVE_MS).setNoDelay(true);
      },
      logLevel: logLevel.WARN,
      logCreator: () => (entry) => this.#logEntry(entry),
    });
  }

  async ensureTopic(topic: string, settings: TopicSettings): Promise<void> {
    try {
      await whileStarting(this.#options.startTimeoutMs, () => this.#createTopic(topic, settings));
    } catch (error) {
      throw busUnavailable(`cannot create topic ${topic}`, 'no', error);
    }
  }

  async send(topic: string, value: string | Buffer): Promise<number | void> {
    if (this.#closed) throw closed();
    let sender = this.#senders.get(topic);
    if (sender === undefined) {
      sender = new TopicSender(topic, (values) => this.#produce(topic, values), this.#options, this.#queued);
      this.#senders.set(topic, sender);
    }
    try {
      return await sender.send(typeof value === 'string' ? Buffer.from(value) : value);
    } catch (error) {
      // Topics named by others' messages must not pile up here.
      if (sender.isEmpty) this.#senders.delete(topic);
      throw error;
    }
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    if (this.#closed) throw closed();
    const subscription = await KafkaSubscription.open(this.#kafka, options, this.#options, this.#log);
    const tracked: Subscription = {
      stop: async () => {
        this.#subscriptions.delete(tracked);
        await subscription.stop();
      },
    };
    this.#subscriptions.add(tracked);
    return tracked;
  }

  /** Stops reading, sends what is queued (bounded by `sendTimeoutMs`), disconnects. */
  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.stop()));
    this.#closed = true;
    await Promise.all([...this.#senders.values()].map((sender) => sender.drained()));
    for (const client of [this.#producer, this.#admin]) {
      await client?.then((connected) => connected.disconnect()).catch(() => undefined);
    }
  }

  async #createTopic(topic: string, settings: TopicSettings): Promise<void> {
    const admin = await this.#connectedAdmin();
    if ((await admin.listTopics()).includes(topic)) return;
    await admin.createTopics({
      waitForLeaders: true,
      topics: [
        {
          topic,
          numPartitions: settings.partitions ?? 1,
          replicationFactor: this.#options.replicationFactor,
          configEntries: topicConfig(settings),
        },
      ],
    });
  }

  async #produce(topic: string, values: Buffer[]): Promise<number | undefined> {
    const producer = await this.#connectedProducer();
    const partition = this.#turn++;
    const messages = values.map((value) => ({ key: null, value, partition }));
    const [written] = await producer.send({ topic, acks: 1, messages });
    return written === undefined ? undefined : positionOf(written.partition, written.baseOffset);
  }

  #connectedProducer(): Promise<Producer> {
    this.#producer ??= connected(
      this.#kafka.producer({
        allowAutoTopicCreation: false,
        // The senders retry, as only they know what may be repeated.
        retry: { retries: 0 },
        createPartitioner:
          () =>
          ({ message, partitionMetadata }) =>
            partitionMetadata[(message.partition ?? 0) % partitionMetadata.length]?.partitionId ?? 0,
      }),
    ).catch((error: unknown) => {
      this.#producer = undefined;
      throw error;
    });
    return this.#producer;
  }

  #connectedAdmin(): Promise<Admin> {
    this.#admin ??= connected(this.#kafka.admin()).catch((error: unknown) => {
      this.#admin = undefined;
      throw error;
    });
    return this.#admin;
  }

  /** A lost connection is reported here once by whoever notices; kafkajs says it many times over. */
  #logEntry({ level, namespace, log }: LogEntry): void {
    const severity = level === logLevel.ERROR ? 'debug' : 'trace';
    this.#log[severity]({ namespace, ...log }, 'kafka client');
  }
}

async function connected<T extends Producer | Admin>(client: T): Promise<T> {
  await client.connect();
  return client;
}

const closed = (): PluginError => busUnavailable('the bus is closed', 'no');

function topicConfig(settings: TopicSettings): { name: string; value: string }[] {
  const entries: Record<string, number | undefined> = {
    'segment.bytes': settings.segmentBytes,
    'retention.bytes': settings.retentionBytes,
    'retention.ms': settings.retentionMs,
    'max.message.bytes': settings.messageBytesMax,
  };
  return Object.entries(entries).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name, value: String(value) }],
  );
}
