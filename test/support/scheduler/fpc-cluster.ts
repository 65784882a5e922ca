/**
 * A cluster with the new scheduler on this machine: Kafka, Redis, etcd and CouchDB's API as real servers, load balancers
 * and invoker extensions as real processes, schedulers that are simulated strictly, and a controller in this process.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startAll, startCouch, startEtcd, startKafka, startRedis } from '@tetris/bench/servers';
import {
  ackedActivationId,
  type Action,
  type Activation,
  createLogger,
  freesSlot,
  isPluginError,
  newActivationId,
  newTransactionId,
  readAck,
  type Subscription,
  TOPIC_SETTINGS,
  Topics,
} from '@tetris/common';
import { CouchStore } from '@tetris/common/couch';
import type { GrpcEtcd } from '@tetris/common/etcd';
import { KafkaBus } from '@tetris/common/kafka';
import { fpcBalancerService, type FpcServers, invokerService } from '../cluster/services';
import type { ServiceProcess } from '../cluster/service-process';
import { started } from '../cluster/started';
import { anAction } from '../entities';
import { etcdClient } from '../etcd-client';
import { until } from '../until';
import { SchedulerSimulator } from './scheduler-simulator';

const CLUSTER = 'fpc-test';
const CONTROLLER = '0';

export interface FpcClusterOptions {
  /** @default 1 */
  balancers?: number;
  /** @default 1 */
  schedulers?: number;
  /** @default 2 */
  invokers?: number;
  /** Called when the servers are up, and before any load balancer is: other invokers begin there. */
  prepare?: (cluster: FpcCluster) => Promise<void>;
  /** Containers that a namespace may have. @default 30, as in stock */
  limit?: number;
  balancerEnv?: Readonly<Record<string, string>>;
  invokerEnv?: (index: number) => Readonly<Record<string, string>>;
}

/** How an activation ended: its record, its id where that was all, or that a scheduler gave it up and why. */
export type FpcOutcome = { activation: Activation } | { activationId: string } | { failed: string };

/** The action's own result, where there is a record. */
export const resultOf = (outcome: FpcOutcome): unknown =>
  'activation' in outcome ? outcome.activation.response.result : outcome;

export interface FpcSent {
  activationId: string;
  outcome: Promise<FpcOutcome>;
}

interface Awaited {
  answer: (outcome: FpcOutcome) => void;
  resultSeen: boolean;
  slotSeen: boolean;
}

export class FpcCluster {
  readonly violations: string[] = [];
  readonly schedulers: SchedulerSimulator[] = [];
  readonly balancers: ServiceProcess[] = [];
  readonly invokers: ServiceProcess[] = [];
  readonly servers: FpcServers;
  readonly etcd: GrpcEtcd;
  readonly bus: KafkaBus;
  readonly store: CouchStore;
  readonly #folder: string;
  readonly #options: FpcClusterOptions;
  readonly #awaited = new Map<string, Awaited>();
  readonly #topics = new Topics('');
  readonly #log = createLogger('controller', 'silent');
  #acks: Subscription | undefined;

  private constructor(servers: FpcServers, folder: string, options: FpcClusterOptions) {
    this.servers = servers;
    this.#folder = folder;
    this.#options = options;
    this.etcd = etcdClient(servers.etcd.address, this.#log);
    this.bus = new KafkaBus({ brokers: [servers.kafka.broker], clientId: 'controller' }, this.#log);
    this.store = new CouchStore({ url: servers.couch.url }, this.#log);
  }

  /** Resolves when every load balancer has said that it is up. */
  static async start(options: FpcClusterOptions = {}): Promise<FpcCluster> {
    const servers = await startAll({
      ...{ kafka: startKafka(), redis: startRedis(), couch: startCouch(), etcd: startEtcd() },
    });
    const cluster = new FpcCluster(servers, await mkdtemp('/tmp/tf-'), options);
    return started(cluster, async () => cluster.#startParts());
  }

  async #startParts(): Promise<void> {
    const { balancers = 1, invokers = 2, schedulers = 1, balancerEnv, invokerEnv } = this.#options;
    await this.store.prepare();
    await this.bus.ensureTopic('events', TOPIC_SETTINGS.events);
    await this.#listen();
    for (let index = 0; index < schedulers; index += 1) {
      this.schedulers.push(this.#scheduler(String(index)));
      await this.schedulers[index]?.start();
    }
    await this.#options.prepare?.(this);
    for (let index = 0; index < invokers; index += 1) {
      const env = invokerEnv?.(index) ?? {};
      this.invokers.push(invokerService(this.servers, index, join(this.#folder, `i${index}`), env));
    }
    for (let index = 0; index < balancers; index += 1) {
      this.balancers.push(fpcBalancerService(this.servers, index, CLUSTER, { ...balancerEnv }));
    }
    for (const service of [...this.invokers, ...this.balancers]) service.start();
    await this.up(balancers);
  }

  /** Waits until so many load balancers say that they are up. */
  async up(balancers = this.balancers.length): Promise<void> {
    const isUp = async (): Promise<boolean> => {
      const ended = [...this.balancers, ...this.invokers].find(({ running }) => !running);
      if (ended !== undefined && balancers === this.balancers.length) throw new Error(`${ended.name} has ended`);
      const entries = await this.etcd.list(`${CLUSTER}/invokers/`);
      return entries.filter(({ value }) => value.includes('"up"')).length === balancers;
    };
    await until(isUp, 'load balancers are up');
  }

  /** Stores an action, and waits until schedulers are told to order it here. */
  async putAction(overrides: Partial<Action> = {}): Promise<Action> {
    const action = anAction({ updated: Date.now(), ...overrides });
    const present = await this.store.getAction(`${action.namespace}/${action.name}`).catch((error: unknown) => {
      if (isPluginError(error, 'ERR_DOCUMENT_NOT_FOUND')) return undefined;
      throw error;
    });
    const stored = await this.store.putAction(action, present?.revision);
    await this.changed();
    return stored;
  }

  /** What a controller tells all others when an entity has changed. */
  async changed(): Promise<void> {
    await this.bus.send(this.#topics.cacheInvalidation, JSON.stringify({ instanceId: 'controller0', key: {} }));
  }

  /** Waits until every load balancer has the hint for the action's own namespace. */
  async hinted({ namespace, name, revision }: Action): Promise<void> {
    const count = this.balancers.filter(({ running }) => running).length;
    const own = `${CLUSTER}/warmed/${namespace}/${namespace}/${name}/${revision}/`;
    const isThere = async (): Promise<boolean> =>
      (await this.keys('warmed')).filter((key) => key.startsWith(own)).length === count;
    await until(isThere, `${name} has its hints`);
  }

  /** Kills a scheduler, and starts another one in its place, which knows nothing. */
  async restartScheduler(index: number): Promise<void> {
    const old = this.schedulers[index];
    await old?.kill();
    const scheduler = this.#scheduler(String(index));
    this.schedulers[index] = scheduler;
    await scheduler.start(old?.port);
  }

  /** Keys of one kind, or all of ours. */
  async keys(kind?: string): Promise<string[]> {
    const kinds = kind === undefined ? ['invokers', 'warmed', 'namespace'] : [kind];
    const lists = await Promise.all(kinds.map(async (each) => this.etcd.list(`${CLUSTER}/${each}/`)));
    return lists.flat().map(({ key }) => key);
  }

  /** Publishes one activation as a controller does: to the scheduler that has the queue, or to one that makes it. */
  async invoke(action: Action, content: Record<string, unknown>, namespace = 'guest'): Promise<FpcSent> {
    const activationId = newActivationId();
    const outcome = new Promise<FpcOutcome>((answer) =>
      this.#awaited.set(activationId, { answer, resultSeen: false, slotSeen: false }),
    );
    const leader = await this.etcd.get(`${CLUSTER}/queue/${namespace}/${action.namespace}/${action.name}/leader`);
    const port = leader === undefined ? undefined : (JSON.parse(leader) as { rpcPort: number }).rpcPort;
    const index = Math.max(
      0,
      this.schedulers.findIndex((each) => each.port === port),
    );
    await this.schedulers[index]?.createQueue(namespace, action);
    await this.bus.send(`scheduler${index}`, this.#message(activationId, action, content, namespace));
    return { activationId, outcome };
  }

  async call(action: Action, content: Record<string, unknown>, namespace?: string): Promise<FpcOutcome> {
    const sent = await this.invoke(action, content, namespace);
    return sent.outcome;
  }

  /** Activations without an answer, or whose slot has not come back. */
  get inFlight(): number {
    return this.#awaited.size;
  }

  async level(timeoutMs?: number): Promise<void> {
    await until(() => this.inFlight === 0, 'nothing is in flight', timeoutMs).catch((error: unknown) => {
      throw new Error(`${this.inFlight} in flight\n${this.logs()}`, { cause: error });
    });
  }

  logs(): string {
    return [...this.balancers, ...this.invokers].map(({ log }) => log).join('\n');
  }

  async drain(): Promise<(number | null)[]> {
    const codes: (number | null)[] = [];
    for (const service of [...this.balancers, ...this.invokers]) codes.push(await service.end('SIGTERM'));
    return codes;
  }

  async stop(): Promise<void> {
    await this.drain();
    for (const scheduler of this.schedulers) await scheduler.stop();
    await this.#acks?.stop();
    await this.bus.close();
    await this.store.close();
    await this.etcd.close();
    const { kafka, redis, couch, etcd } = this.servers;
    await Promise.all([kafka.stop(), redis.stop(), couch.stop(), etcd.stop()]);
    await rm(this.#folder, { recursive: true, force: true });
  }

  #scheduler(id: string): SchedulerSimulator {
    return new SchedulerSimulator({
      ...{ bus: this.bus, etcd: this.etcd, cluster: CLUSTER, id, limit: this.#options.limit ?? 30 },
      ...{ orderMsMax: 20_000, queueIdleMs: 5_000, log: this.#log },
      onViolation: (text) => this.violations.push(text),
      fail: (message, reason) => {
        const { activationId } = JSON.parse(message) as { activationId: string };
        this.#awaited.get(activationId)?.answer({ failed: reason });
        this.#awaited.delete(activationId);
      },
    });
  }

  async #listen(): Promise<void> {
    const topic = this.#topics.completed(CONTROLLER);
    await this.bus.ensureTopic(topic, TOPIC_SETTINGS.completed);
    const handler = ({ value }: { value: Buffer }): void => this.#acked(value);
    this.#acks = await this.bus.subscribe({ topic, group: topic, capacity: 2_000, handler });
  }

  #acked(value: Buffer): void {
    const ack = readAck(value);
    const activationId = ackedActivationId(ack);
    const awaited = this.#awaited.get(activationId);
    if (awaited === undefined) return void this.violations.push(`answered again: ${activationId}`);
    const { response } = ack;
    if (response != null) {
      if (awaited.resultSeen) this.violations.push(`second result: ${activationId}`);
      awaited.resultSeen = true;
      awaited.answer(typeof response === 'string' ? { activationId } : { activation: response });
    }
    if (freesSlot(ack)) {
      if (awaited.slotSeen) this.violations.push(`second completion: ${activationId}`);
      awaited.slotSeen = true;
    }
    if (awaited.resultSeen && awaited.slotSeen) this.#awaited.delete(activationId);
  }

  #message(activationId: string, action: Action, content: Record<string, unknown>, namespace: string): string {
    const uuid = '6f1d2c3b-4a59-4687-8695-0a1b2c3d4e5f';
    return JSON.stringify({
      transid: newTransactionId(Date.now()),
      action: { path: action.namespace, name: action.name, version: action.version },
      revision: action.revision,
      user: {
        subject: namespace,
        namespace: { name: namespace, uuid },
        authkey: { api_key: `${uuid}:${randomUUID()}` },
        rights: ['READ', 'PUT', 'DELETE', 'ACTIVATE'],
        limits: {},
      },
      activationId,
      rootControllerIndex: { asString: CONTROLLER, instanceType: 'controller' },
      blocking: true,
      content,
      initArgs: [],
      lockedArgs: {},
    });
  }
}
