/**
 * The relay's own cost on a real broker: the same no-op invoker reached through the load balancer and directly. With
 * OpenWhisk's new scheduler the invoker pulls its activations there as a stock container does.
 *
 * Controller (this process), load balancer and invoker are three processes, one broker and a Redis server, which keeps
 * the in-flight ids. Both ways end where they began: controller, invoker, controller.
 *
 * Throughput first: a window of activations through the load balancer, after as many seconds of the same on both ways,
 * because a broker that has just started runs on interpreted code and is several times slower; the load balancer's CPU
 * share says whether it had more than one core. Then latency: the two ways in turn at a fixed rate far below that, so
 * that both meet the same noise. With `--beside N` all of it once more, beside N processes that keep a processor busy
 * each: what that does to the load balancer, next to what it does to direct sends.
 */
import { newActivationId, newTransactionId, type Subscription, TOPIC_SETTINGS, type Topics } from '@tetris/common';
import type { KafkaBus } from '@tetris/common/kafka';
import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { createProgress, type Progress } from './demo/progress';
import { median, percentileOf, rounded } from './measure/statistics';
import { ACTION, benchBus, cpuOf, startPart, stopPart } from './relay-parts/messages';
import { fpcSender, type Sender, shardingSender, TOPICS, type Way, WAYS } from './relay-parts/ways';
import { startAll, startKafka, startRedis } from './servers';
import type { Suite } from './suite';

export interface RelayBenchOptions {
  /** Of each way while latency is measured. */
  activationsPerSecond: number;
  /** Of each way. */
  latencySamples: number;
  /** Activations in flight while throughput is measured. */
  window: number;
  throughputMs: number;
  /** Processes that keep a processor busy each while everything is measured once more. */
  beside: number;
  output: NodeJS.WriteStream;
  mode: 'sharding' | 'fpc';
}

/**
 * Median latency through the load balancer minus the direct one (`addedMedianMs`), likewise the 99th percentile;
 * activations a second through it and directly. With a prefix `beside.` the same beside busy processes.
 */
export type RelayFigures = Record<string, number>;

const DEFAULTS: RelayBenchOptions = {
  activationsPerSecond: 100,
  latencySamples: 2_000,
  window: 500,
  throughputMs: 15_000,
  beside: 0,
  output: process.stderr,
  mode: 'sharding',
};
const ANSWER_MS_MAX = 30_000;

export async function runRelayBench(overrides: Partial<RelayBenchOptions> = {}): Promise<RelayFigures> {
  const options = { ...DEFAULTS, ...overrides };
  const progress = createProgress(options.beside > 0 ? 6 : 4, options.output);
  progress.step('starting broker, load balancer and invoker');
  const { kafka, redis } = await startAll({ kafka: startKafka(), redis: startRedis() });
  const { broker } = kafka;
  const children = [];
  const bus = benchBus(broker, 'controller');
  const sender = await (options.mode === 'fpc' ? fpcSender(bus) : shardingSender(bus));
  const controller = new BenchController(bus, sender);
  try {
    await controller.start();
    children.push(await startPart('invoker-main', [broker, ...sender.invokerArguments]));
    const balancer = await startPart('balancer-main', [broker, redis.url, ...sender.balancerArguments]);
    children.push(balancer);
    await sender.usable();
    progress.step('warming up');
    await Promise.all(WAYS.map(async (way) => controller.throughput(way, options)));
    const figures = await measure('', { controller, balancer, options, progress });
    for (let count = 0; count < options.beside; count += 1) children.push(await startPart('busy-main', []));
    const beside = options.beside === 0 ? {} : await measure('beside.', { controller, balancer, options, progress });
    progress.stop();
    return { ...figures, ...beside, answeredTwice: controller.answeredTwice };
  } finally {
    for (const child of children.reverse()) await stopPart(child);
    await sender.stop();
    await controller.stop();
    await Promise.all([kafka.stop(), redis.stop()]);
  }
}

interface Measured {
  controller: BenchController;
  balancer: ChildProcess;
  options: RelayBenchOptions;
  progress: Progress;
}

/** Throughput of either way, then their latencies in turn. @param prefix of the figures' names */
async function measure(prefix: string, { controller, balancer, options, progress }: Measured): Promise<RelayFigures> {
  const work = prefix === '' ? '' : `, ${options.beside} busy processes beside it`;
  progress.step(`throughput: ${options.window} in flight${work}`);
  const before = await cpuOf(balancer);
  const perSecond = await controller.throughput('relayed', options);
  const after = await cpuOf(balancer);
  const directPerSecond = await controller.throughput('direct', options);
  progress.step(`latency: ${options.latencySamples} activations on each way, in turn${work}`);
  const { direct, relayed } = await controller.paced(options);
  const figures = {
    addedMedianMs: rounded(median(relayed) - median(direct)),
    addedP99Ms: rounded(percentileOf(relayed, 0.99) - percentileOf(direct, 0.99)),
    activationsPerSecond: rounded(perSecond, 0),
    directPerSecond: rounded(directPerSecond, 0),
    directMedianMs: rounded(median(direct)),
    relayedMedianMs: rounded(median(relayed)),
    directP99Ms: rounded(percentileOf(direct, 0.99)),
    relayedP99Ms: rounded(percentileOf(relayed, 0.99)),
    balancerCores: rounded((after.cpuMs - before.cpuMs) / (after.atMs - before.atMs), 2),
  };
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [prefix + name, value]));
}

/** Sends activations and takes acks, as little else as possible. */
class BenchController {
  readonly #bus: KafkaBus;
  readonly #awaited = new Map<string, (atMs: number) => void>();
  readonly #sender: Sender;
  #subscriptions: Subscription[] = [];
  answeredTwice = 0;

  constructor(bus: KafkaBus, sender: Sender) {
    this.#bus = bus;
    this.#sender = sender;
  }

  async start(): Promise<void> {
    for (const topics of Object.values(TOPICS)) await this.#listen(topics);
  }

  /** Both ways in turn, each at a fixed rate. @returns latencies of each, ms, from before the send to the ack */
  async paced({ activationsPerSecond, latencySamples }: RelayBenchOptions): Promise<Record<Way, number[]>> {
    const startMs = performance.now();
    const gapMs = 1_000 / activationsPerSecond / WAYS.length;
    const latencies: Record<Way, Promise<number>[]> = { direct: [], relayed: [] };
    for (let turn = 0; turn < latencySamples * WAYS.length; turn += 1) {
      const dueMs = startMs + turn * gapMs - performance.now();
      if (dueMs > 1) await sleep(dueMs);
      const way = WAYS[turn % WAYS.length] ?? 'direct';
      latencies[way].push(this.#invoke(way));
    }
    return { direct: await Promise.all(latencies.direct), relayed: await Promise.all(latencies.relayed) };
  }

  /** @returns activations per second with `window` in flight */
  async throughput(way: Way, { window, throughputMs }: RelayBenchOptions): Promise<number> {
    const startMs = performance.now();
    const untilMs = startMs + throughputMs;
    let done = 0;
    const client = async (): Promise<void> => {
      while (performance.now() < untilMs) {
        await this.#invoke(way);
        done += 1;
      }
    };
    await Promise.all(Array.from({ length: window }, client));
    return done / ((performance.now() - startMs) / 1_000);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#subscriptions.map(async (subscription) => subscription.stop()));
    await this.#bus.close();
  }

  async #listen(topics: Topics): Promise<void> {
    const topic = topics.completed('0');
    await this.#bus.ensureTopic(topic, TOPIC_SETTINGS.completed);
    const handler = ({ value }: { value: Buffer }): void => {
      const { response } = JSON.parse(value.toString()) as { response: { activationId: string } };
      const answered = this.#awaited.get(response.activationId);
      if (answered === undefined) this.answeredTwice += 1;
      this.#awaited.delete(response.activationId);
      answered?.(performance.now());
    };
    this.#subscriptions.push(await this.#bus.subscribe({ topic, group: topic, capacity: 4_000, handler }));
  }

  async #invoke(way: Way): Promise<number> {
    const activationId = newActivationId();
    const sentMs = performance.now();
    const answered = new Promise<number>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${way}: no answer to ${activationId}`)), ANSWER_MS_MAX);
      this.#awaited.set(activationId, (atMs) => {
        clearTimeout(timer);
        resolve(atMs);
      });
    });
    await this.#sender.send(way, activationText(activationId));
    return (await answered) - sentMs;
  }
}

/** About 1 KB, as a small stock message is. */
function activationText(activationId: string): string {
  return JSON.stringify({
    transid: newTransactionId(Date.now()),
    action: ACTION,
    revision: '1-bench',
    user: {
      subject: 'guest',
      namespace: { name: 'guest', uuid: '6f1d2c3b-4a59-4687-8695-0a1b2c3d4e5f' },
      authkey: { api_key: `6f1d2c3b-4a59-4687-8695-0a1b2c3d4e5f:${'k'.repeat(64)}` },
      rights: ['READ', 'PUT', 'DELETE', 'ACTIVATE'],
      limits: {},
    },
    activationId,
    rootControllerIndex: { asString: '0', instanceType: 'controller' },
    blocking: true,
    content: { image: 'x'.repeat(512) },
    initArgs: [],
    lockedArgs: {},
  });
}

export const suite: Suite = { run: async ({ beside = 0, mode = 'sharding' }) => runRelayBench({ beside, mode }) };
