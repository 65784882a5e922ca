/**
 * A whole cluster on this machine: Kafka, Redis and CouchDB's API as real servers, load balancers and invoker
 * extensions as real processes with process containers, and a strict controller in the test's own process.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startAll, startCouch, startKafka, startRedis } from '@tetris/bench/servers';
import type { CouchServer, KafkaServer, RedisServer } from '@tetris/bench/servers';
import {
  type Action,
  type ActivationMessage,
  createLogger,
  isPluginError,
  newActivationId,
  newTransactionId,
  TOPIC_SETTINGS,
  Topics,
} from '@tetris/common';
import { CouchStore } from '@tetris/common/couch';
import { KafkaBus } from '@tetris/common/kafka';
import { RedisRegistry } from '@tetris/common/redis';
import {
  putHealthTestAction,
  type Sent,
  ShardingBalancer,
  type ShardingBalancerOptions,
  type Violation,
  type ViolationKind,
} from '@tetris/standalone';
import { anAction } from '../entities';
import { until } from '../until';
import type { ServiceProcess } from './service-process';
import { balancerService, invokerService, type Servers } from './services';
import { started } from './started';

export const CONTROLLER = '0';
const CONTROLLER_TOPICS = new Topics('');
const INVOKER_TOPICS = new Topics('tetris-');
const HEALTHY_TIMEOUT_MS = 400_000;

export interface ClusterOptions {
  /** @default 1 */
  balancers?: number;
  /** @default 2 */
  invokers?: number;
  /** When the controller gives up, beside its action's timeout. @default stock's */
  patience?: Pick<ShardingBalancerOptions, 'timeLimitStdMs' | 'timeoutFactor' | 'timeoutAddonMs'>;
  /** Beside what the cluster sets itself, for every load balancer and for every invoker. */
  balancerEnv?: Readonly<Record<string, string>>;
  invokerEnv?: Readonly<Record<string, string>> | ((index: number) => Readonly<Record<string, string>>);
}

/** What a load balancer had done with the activations of its virtual invoker when it was killed. */
export interface Remains {
  /** Taken from the topic, in no journal and with no invoker: lost as stock loses what an invoker has taken. */
  taken: Set<string>;
  /** In the journal, but with no invoker: never ran, and the next process answers them with an error. */
  journalled: Set<string>;
}

/** How an activation ended for the one who waits. */
export interface Outcome {
  activationId: string;
  /** 0 to 3; undefined where only the id came back (non-blocking, or too large). */
  statusCode?: number;
  result?: unknown;
}

export class Cluster {
  readonly kafka: KafkaServer;
  readonly redis: RedisServer;
  readonly couch: CouchServer;
  readonly bus: KafkaBus;
  readonly store: CouchStore;
  readonly controller: ShardingBalancer;
  readonly violations: Violation[];
  readonly balancers: ServiceProcess[] = [];
  readonly invokers: ServiceProcess[] = [];
  readonly #folder: string;
  readonly #options: ClusterOptions;

  private constructor(servers: Servers, folder: string, options: ClusterOptions) {
    const log = createLogger('controller', 'silent');
    this.kafka = servers.kafka;
    this.redis = servers.redis;
    this.couch = servers.couch;
    this.#folder = folder;
    this.#options = options;
    this.violations = [];
    this.bus = new KafkaBus({ brokers: [this.kafka.broker], clientId: 'controller' }, log);
    this.store = new CouchStore({ url: this.couch.url }, log);
    this.controller = new ShardingBalancer({
      bus: this.bus,
      topics: CONTROLLER_TOPICS,
      controller: CONTROLLER,
      log,
      ...options.patience,
      onViolation: (violation) => this.violations.push(violation),
    });
  }

  /** Starts everything and resolves when the controller takes every load balancer for healthy. */
  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const servers = await startAll({ kafka: startKafka(), redis: startRedis(), couch: startCouch() });
    const cluster = new Cluster(servers, await mkdtemp('/tmp/tc-'), options);
    return started(cluster, async () => cluster.#startParts());
  }

  async #startParts(): Promise<void> {
    const { balancers = 1, invokers = 2, balancerEnv, invokerEnv } = this.#options;
    await this.store.prepare();
    await putHealthTestAction(this.store, CONTROLLER, 'nodejs:20', 128, Date.now());
    await this.bus.ensureTopic('events', TOPIC_SETTINGS.events);
    await this.controller.start();
    for (let index = 0; index < invokers; index += 1) {
      const env = typeof invokerEnv === 'function' ? invokerEnv(index) : { ...invokerEnv };
      this.invokers.push(invokerService(this, index, join(this.#folder, `i${index}`), env));
    }
    for (let index = 0; index < balancers; index += 1) {
      const env = { ...patienceEnv(this.#options.patience), ...balancerEnv };
      this.balancers.push(balancerService(this, index, env));
    }
    for (const invoker of this.invokers) invoker.start();
    for (const [index, balancer] of this.balancers.entries()) {
      balancer.start();
      // Ids must come up in ascending order; see the facts on padded gaps.
      await until(() => this.#isUp(index), `${balancer.name} is healthy`);
    }
  }

  /** @throws Error at once where a service has ended instead of coming up */
  #isUp(index: number): boolean {
    const ended = [...this.balancers.slice(0, index + 1), ...this.invokers].find(({ running }) => !running);
    if (ended !== undefined) throw new Error(`${ended.name} has ended`);
    return this.controller.states()[index] === 'healthy';
  }

  /**
   * Waits until the controller takes all for healthy. It tests who is not once a minute: a test may be lost with who is
   * killed, and of an unresponsive one each test makes up for one timeout.
   */
  async healthy(): Promise<void> {
    const are = (): boolean => this.controller.states().every((state) => state === 'healthy');
    await until(are, 'the controller takes all for healthy', HEALTHY_TIMEOUT_MS);
  }

  /** Stores an action, replacing an earlier one. */
  async putAction(overrides: Partial<Action> = {}): Promise<Action> {
    const action = anAction({ updated: Date.now(), ...overrides });
    const present = await this.store.getAction(`${action.namespace}/${action.name}`).catch((error: unknown) => {
      if (isPluginError(error, 'ERR_DOCUMENT_NOT_FOUND')) return undefined;
      throw error;
    });
    return this.store.putAction(action, present?.revision);
  }

  /** The message of one activation, as a controller writes it. */
  message(
    action: Action,
    content: Record<string, unknown>,
    overrides: Partial<ActivationMessage> = {},
  ): ActivationMessage {
    const uuid = '6f1d2c3b-4a59-4687-8695-0a1b2c3d4e5f';
    return {
      transid: newTransactionId(Date.now()),
      action: { path: action.namespace, name: action.name, version: action.version },
      revision: action.revision,
      user: {
        subject: 'guest',
        namespace: { name: 'guest', uuid },
        authkey: { api_key: `${uuid}:${randomUUID()}` },
        rights: ['READ', 'PUT', 'DELETE', 'ACTIVATE'],
        limits: {},
      },
      activationId: newActivationId(),
      rootControllerIndex: { asString: CONTROLLER, instanceType: 'controller' },
      blocking: true,
      content,
      initArgs: [],
      lockedArgs: {},
      ...overrides,
    };
  }

  /** Sends one activation. @throws PluginError `ERR_NO_CAPACITY` where a user would get 503 */
  invoke(action: Action, content: Record<string, unknown>, overrides: Partial<ActivationMessage> = {}): Promise<Sent> {
    return this.controller.publish({ message: this.message(action, content, overrides), limits: action.limits });
  }

  /** Sends one activation and waits for its result, bounded. */
  async call(action: Action, content: Record<string, unknown>, timeoutMs = 60_000): Promise<Outcome> {
    return this.outcomeOf(await this.invoke(action, content), timeoutMs);
  }

  async outcomeOf({ activationId, result }: Sent, timeoutMs = 60_000): Promise<Outcome> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`${activationId}: no result in ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      const acked = await Promise.race([result, late]);
      if (typeof acked === 'string') return { activationId };
      return { activationId, statusCode: acked.response.statusCode, result: acked.response.result };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits until nothing is in flight and every permit is back. */
  async level(timeoutMs?: number): Promise<void> {
    const isLevel = (): boolean => {
      const { inFlight, invokers } = this.controller.books();
      return inFlight === 0 && invokers.every(({ outstanding }) => outstanding === 0);
    };
    try {
      await until(isLevel, 'books are level', timeoutMs);
    } catch (error) {
      throw new Error(`${JSON.stringify(this.controller.books())}\n${this.logs()}`, { cause: error });
    }
  }

  /** Violations of the protocol beside those that a test expects. */
  violationsBut(...expected: ViolationKind[]): Violation[] {
    return this.violations.filter(({ kind }) => !expected.includes(kind));
  }

  /** Process containers of an invoker that live: their working folders, by process id. */
  async containersOf(invoker: number): Promise<Map<number, string>> {
    return this.#processesIn(join(this.#folder, `i${invoker}`));
  }

  async #processesIn(parent: string): Promise<Map<number, string>> {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
    const found = new Map<number, string>();
    for (const pid of pids) {
      const folder = await readlink(`/proc/${pid}/cwd`).catch(() => '');
      if (folder.startsWith(`${parent}/`)) found.set(Number(pid), folder);
    }
    return found;
  }

  /** What a load balancer that is dead had in its hands, by the broker's and the registry's books. */
  async remainsOf(balancer: number): Promise<Remains> {
    const topic = CONTROLLER_TOPICS.invoker(balancer);
    const onInvokers = await Promise.all(this.invokers.map((_, index) => this.handedOnTo(index)));
    const handedOn = new Set(onInvokers.flatMap((ids) => [...ids]));
    const arrived = await this.#idsIn(topic);
    const taken = new Set(arrived.slice(0, await this.kafka.committed(topic, topic)));
    const registry = new RedisRegistry({ url: this.redis.url }, createLogger('observer', 'silent'));
    const entries = await registry.listInFlight(`balancer${balancer}`).finally(() => registry.close());
    const journal = new Set(entries.map(({ activationId }) => activationId));
    const isNowhere = (id: string): boolean => !handedOn.has(id);
    return {
      taken: new Set([...taken].filter((id) => isNowhere(id) && !journal.has(id))),
      journalled: new Set([...journal].filter(isNowhere)),
    };
  }

  /** Every activation that the broker has taken for an invoker. */
  async handedOnTo(invoker: number): Promise<Set<string>> {
    return new Set(await this.#idsIn(INVOKER_TOPICS.invoker(invoker)));
  }

  /** Activations in a topic from its first message on: an id's index is its position. */
  async #idsIn(topic: string): Promise<string[]> {
    const values = await this.kafka.messages(topic);
    return values.map((value) => (JSON.parse(value) as { activationId?: string }).activationId ?? '');
  }

  logs(): string {
    return [...this.balancers, ...this.invokers].map(({ log }) => log).join('\n');
  }

  /** Drains the services in order: load balancers, then invokers. Resolves with the exit codes of those that ran. */
  async drain(): Promise<(number | null)[]> {
    const services = [...this.balancers, ...this.invokers].filter(({ running }) => running);
    const codes: (number | null)[] = [];
    for (const service of services) codes.push(await service.end('SIGTERM'));
    return codes;
  }

  /**
   * Drains the services, then ends everything; leaves nothing behind.
   * @throws Error where a drained service left a container, or did not end well
   */
  async stop(): Promise<void> {
    const codes = await this.drain();
    const leftOver = await this.#processesIn(this.#folder);
    for (const pid of leftOver.keys()) process.kill(pid, 'SIGKILL');
    await this.controller.stop();
    await this.store.close();
    await this.bus.close();
    await Promise.all([this.kafka.stop(), this.redis.stop(), this.couch.stop()]);
    await rm(this.#folder, { recursive: true, force: true });
    if (leftOver.size > 0) throw new Error(`left over: ${[...leftOver.values()].join(' ')}\n${this.logs()}`);
    if (codes.some((code) => code !== 0)) throw new Error(`services ended with ${codes.join(' ')}\n${this.logs()}`);
  }
}

/** Load balancers must reckon with the controllers' own times. */
function patienceEnv(patience: ClusterOptions['patience'] = {}): Record<string, string> {
  const { timeLimitStdMs, timeoutFactor, timeoutAddonMs } = patience;
  const values = {
    TIME_LIMIT_STD_MS: timeLimitStdMs,
    TIMEOUT_FACTOR: timeoutFactor,
    TIMEOUT_ADDON_MS: timeoutAddonMs,
  };
  return Object.fromEntries(
    Object.entries(values).flatMap(([key, value]) =>
      value === undefined ? [] : [[`TETRIS_BALANCER_${key}`, String(value)]],
    ),
  );
}

/** An action that answers `{n}` after `ms`, in a container that takes many at once. */
export const sleeper = (name: string): Partial<Action> => ({
  name,
  exec: {
    kind: 'nodejs:tetris',
    code: 'function main({ n, ms = 0 }) { return new Promise((done) => setTimeout(() => done({ n }), ms)); }',
    binary: false,
  },
  limits: { timeout: 60_000, memory: 256, logs: 0, concurrency: 50 },
});
