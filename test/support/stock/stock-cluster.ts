/**
 * A stock controller with the plugin behind it: real servers, real processes, process containers, one tensor daemon.
 * OpenWhisk is not part of this project: `OPENWHISK_HOME` names a checkout of it, for the databases' design documents,
 * and `OPENWHISK_CONTROLLER_CLASSPATH` a controller that was built from it, as Java's `-cp` takes it.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startCouch, startEtcd, startKafka, startRedis } from '@tetris/bench/servers';
import openwhisk from 'openwhisk';
import {
  balancerService,
  fpcBalancerService,
  type FpcServers,
  invokerService,
  type Servers,
} from '../cluster/services';
import type { ServiceProcess } from '../cluster/service-process';
import { TestDaemon } from '../daemon';
import { until } from '../until';
import { EtcdObserver } from './etcd-observer';
import { StockController } from './stock-controller';
import { prepareDatabases } from './stock-databases';
import { CLUSTER_NAME } from './stock-process';
import { type SchedulerPlace, StockScheduler } from './stock-scheduler';

const INVOKERS = 2;
const UP_TIMEOUT_MS = 60_000;

export interface StockClusterOptions {
  /** Without one the invoker extensions are the controller's own invokers: their topic prefix is its own. */
  balancer: boolean;
  /** So many of OpenWhisk's new schedulers, with etcd. @default 0: sharding mode */
  schedulers?: number;
  /** Beside what the cluster sets itself, for every invoker. */
  invokerEnv?: Readonly<Record<string, string>>;
}

type Undo = () => Promise<void>;

interface Parts {
  servers: Servers | FpcServers;
  schedulers: StockScheduler[];
  observer: EtcdObserver | undefined;
  controller: StockController;
  /** Of `guest`. */
  key: string;
  daemon: TestDaemon;
  models: string;
  folder: string;
}

export class StockCluster {
  readonly controller: StockController;
  readonly client: openwhisk.Client;
  readonly daemon: TestDaemon;
  readonly invokers: readonly ServiceProcess[];
  readonly balancer: ServiceProcess | undefined = undefined;
  /** Folder of models that actions may open. */
  readonly models: string;
  readonly servers: Servers | FpcServers;
  /** Undefined in sharding mode. */
  readonly observer: EtcdObserver | undefined;
  /** None in sharding mode. */
  readonly schedulers: readonly StockScheduler[];
  #undo: Undo[] = [];

  private constructor(parts: Parts, options: StockClusterOptions) {
    const { controller, key, daemon, servers, folder } = parts;
    this.controller = controller;
    this.daemon = daemon;
    this.models = parts.models;
    this.servers = servers;
    this.schedulers = parts.schedulers;
    this.observer = parts.observer;
    this.client = openwhisk({ apihost: controller.url, api_key: key });
    const env = {
      TETRIS_INVOKER_NODE: 'node0',
      TETRIS_INVOKER_DAEMON_SOCKET_PATH: join(daemon.folder, 'instance.sock'),
      TETRIS_INVOKER_DAEMON_OPERATOR_SOCKET_PATH: join(daemon.folder, 'operator.sock'),
      TETRIS_INVOKER_MODEL_ROOTS: this.models,
      ...(options.balancer ? {} : { TETRIS_INVOKER_TOPIC_PREFIX: 'none' }),
      ...options.invokerEnv,
    };
    this.invokers = Array.from({ length: INVOKERS }, (_, index) =>
      invokerService(servers, index, join(folder, `i${index}`), env),
    );
    if (!options.balancer) return;
    this.balancer =
      'etcd' in servers ? fpcBalancerService(servers, 0, CLUSTER_NAME, {}) : balancerService(servers, 0, {});
  }

  /** Resolves when the controller takes all its invokers for healthy; leaves nothing behind where it does not. */
  static async start(options: StockClusterOptions): Promise<StockCluster> {
    const home = required('OPENWHISK_HOME');
    const classPath = required('OPENWHISK_CONTROLLER_CLASSPATH');
    const undo: Undo[] = [];
    try {
      const cluster = new StockCluster(await startParts(home, classPath, options, undo), options);
      cluster.#undo = undo;
      undo.push(async () => cluster.#endServices());
      for (const service of cluster.#services) service.start();
      await cluster.healthy();
      return cluster;
    } catch (error) {
      await undoAll(undo);
      throw error;
    }
  }

  /** Waits until the controller takes every invoker that it knows for healthy. */
  async healthy(): Promise<void> {
    const expected = this.balancer === undefined ? this.invokers.length : 1;
    const isUp = async (): Promise<boolean> => {
      const states = this.#ownStates(await this.controller.invokers());
      return states.length === expected && states.every((state) => state === 'up');
    };
    await until(isUp, 'the controller takes all invokers for healthy', UP_TIMEOUT_MS);
  }

  /** Every change of what the controller, or the schedulers, are told of the load balancer or the invokers. */
  states(): readonly string[] {
    return this.observer?.states ?? this.controller.states();
  }

  /** Waits until every slot is back at the controller. */
  async level(timeoutMs = 30_000): Promise<void> {
    await until(async () => (await this.controller.inFlight()) === 0, 'nothing is in flight', timeoutMs);
  }

  /** Waits until the load balancer has handed on this many activations of the action. */
  async handedOn(action: string, count: number): Promise<void> {
    const seen = async (): Promise<number> => {
      const topics = this.invokers.map((_, index) => this.servers.kafka.messages(`tetris-invoker${index}`));
      const messages = (await Promise.all(topics)).flat();
      return messages.filter((text) => text.includes(`"name":"${action}"`)).length;
    };
    await until(async () => (await seen()) >= count, `${count} activations of ${action} are handed on`);
  }

  async stop(): Promise<void> {
    await undoAll(this.#undo);
  }

  /** In mode `fpc` a controller lists ids that nobody has as well. */
  #ownStates(states: Record<string, string>): string[] {
    if (this.schedulers.length === 0) return Object.values(states);
    return Object.entries(states).flatMap(([name, state]) => (name.includes('tetris') ? [state] : []));
  }

  get #services(): ServiceProcess[] {
    return [...(this.balancer === undefined ? [] : [this.balancer]), ...this.invokers];
  }

  async #endServices(): Promise<void> {
    for (const service of this.#services) await service.end('SIGTERM');
  }
}

/** What has to be running before the plugin's services; `undo` learns how to end each, last first. */
async function startParts(
  home: string,
  classPath: string,
  { schedulers: count = 0 }: StockClusterOptions,
  undo: Undo[],
): Promise<Parts> {
  const folder = mkdtempSync(join(tmpdir(), 'ts-'));
  undo.push(async () => rmSync(folder, { recursive: true, force: true }));
  const models = join(folder, 'models');
  mkdirSync(models);
  const started = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const part = await starting;
    undo.push(async () => part.stop());
    return part;
  };
  const kafka = await started(startKafka());
  const redis = await started(startRedis());
  const couch = await started(startCouch());
  const etcd = count > 0 ? await started(startEtcd()) : undefined;
  const servers = { kafka, redis, couch, ...(etcd === undefined ? {} : { etcd }) };
  const observer = etcd === undefined ? undefined : await started(EtcdObserver.start(etcd.address));
  const key = await prepareDatabases(couch, home);
  const schedulers: StockScheduler[] = [];
  const remotingPorts = await Promise.all(Array.from({ length: count }, freePort));
  for (const id of remotingPorts.keys()) {
    schedulers.push(await started(startScheduler(servers as FpcServers, { id, remotingPorts }, folder)));
  }
  const controller = await started(StockController.start(servers, classPath, folder));
  const daemon = new TestDaemon();
  undo.push(async () => daemon.dispose());
  await daemon.start({ modelRoots: models, tensorBytesMin: 1024 });
  return { servers, schedulers, observer, controller, key, daemon, models, folder };
}

function startScheduler(servers: FpcServers, place: SchedulerPlace, folder: string): Promise<StockScheduler> {
  return StockScheduler.start(servers, place, required('OPENWHISK_SCHEDULER_CLASSPATH'), folder);
}

async function undoAll(undo: Undo[]): Promise<void> {
  for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
}

export function required(variable: string): string {
  const value = process.env[variable] ?? '';
  if (value === '') throw new Error(`${variable} is not set: docs/compatibility.md says how to run these tests`);
  return value;
}
