import { freePort } from '@tetris/bench/servers';
import type { FpcServers } from '../cluster/services';
import { StockProcess } from './stock-process';

const CORE = 'org.apache.openwhisk.core';
/** OpenWhisk's default user for a scheduler's HTTP interface. */
const AUTHORIZATION = `Basic ${Buffer.from('scheduler.user:scheduler.pass').toString('base64')}`;

/** Lines that say that something is wrong with what an invoker sent, or with an order. */
const COMPLAINT =
  /\[(WARN|ERROR)\].*\[(ContainerManager|CreationJobManager|MemoryQueue|ActivationServiceImpl|Watcher\w*)\]/;
/** What a scheduler says rightly while there is no invoker. */
const RIGHTLY = /no available invoker/;

/** What every stock component is told of etcd. */
export const etcdSettings = ({ etcd }: FpcServers): Record<string, string | number> => ({
  'whisk.etcd.hosts': etcd.address,
  'whisk.etcd.lease.timeout': 10,
  'whisk.etcd.pool.threads': 10,
});

/** What tells the schedulers of one cluster apart. */
export interface SchedulerPlace {
  id: number;
  /** Of all schedulers by their ids, by which they find each other. */
  remotingPorts: readonly number[];
}

/** Schedulers find each other by Akka until 2.0.0, by Pekko after it. */
function clusterSettings(toolkit: string, port: number, ports: readonly number[]): Record<string, string | number> {
  const seeds = ports.map((each, index) => [
    `${toolkit}.cluster.seed-nodes.${index}`,
    `${toolkit}://scheduler-actor-system@127.0.0.1:${each}`,
  ]);
  return {
    ...(Object.fromEntries(seeds) as Record<string, string>),
    [`${toolkit}.actor.provider`]: 'cluster',
    [`${toolkit}.remote.artery.canonical.port`]: port,
  };
}

export class StockScheduler {
  readonly #launch: () => Promise<StockProcess>;
  #process: StockProcess;

  private constructor(launch: () => Promise<StockProcess>, started: StockProcess) {
    this.#launch = launch;
    this.#process = started;
  }

  /** @param classPath of Java; @param folder for its log. Resolves when it answers. */
  static async start(
    servers: FpcServers,
    { id, remotingPorts }: SchedulerPlace,
    classPath: string,
    folder: string,
  ): Promise<StockScheduler> {
    const [port = 0, rpcPort] = [remotingPorts[id], await freePort()];
    const settings = {
      ...etcdSettings(servers),
      ...clusterSettings('akka', port, remotingPorts),
      ...clusterSettings('pekko', port, remotingPorts),
      'whisk.spi.DurationCheckerProvider': `${CORE}.scheduler.queue.NoopDurationCheckerProvider`,
      'whisk.duration-checker.time-window': '1d',
      'whisk.scheduler.data-management-service.retry-interval': '1 second',
    };
    const env = {
      WHISK_SCHEDULER_ENDPOINTS_HOST: '127.0.0.1',
      WHISK_SCHEDULER_ENDPOINTS_RPCPORT: String(rpcPort),
      WHISK_SCHEDULER_ENDPOINTS_AKKAPORT: String(port),
      WHISK_SCHEDULER_ENDPOINTS_PEKKOPORT: String(port),
    };
    let starts = 0;
    const launch = (): Promise<StockProcess> => {
      const name = `scheduler${id}-${(starts += 1)}`;
      const what = { name, classPath, mainClass: `${CORE}.scheduler.Scheduler`, args: [String(id)] };
      return StockProcess.start(servers, { ...what, settings, env }, folder);
    };
    return new StockScheduler(launch, await launch());
  }

  complaints(): string[] {
    return this.log.split('\n').filter((line) => COMPLAINT.test(line) && !RIGHTLY.test(line));
  }

  get log(): string {
    return this.#process.log;
  }

  /** Containers that have been ordered and not acked. */
  async ordered(): Promise<number> {
    return Number((await this.#get<{ creationCount: string }>('state')).creationCount);
  }

  /** Queues that it has. */
  async queues(): Promise<number> {
    return (await this.#get<unknown[]>('queues')).length;
  }

  /** Activations that wait, of all queues. */
  async waiting(): Promise<number> {
    const queues = await this.#get<{ waitingActivation?: unknown[] }[]>('queues');
    return queues.reduce((sum, { waitingActivation = [] }) => sum + waitingActivation.length, 0);
  }

  /** A crash. */
  async kill(): Promise<void> {
    await this.#process.kill();
  }

  async restart(): Promise<void> {
    await this.#process.stop();
    this.#process = await this.#launch();
  }

  async stop(): Promise<void> {
    await this.#process.stop();
  }

  async #get<T>(path: string): Promise<T> {
    const answer = await fetch(`${this.#process.url}/${path}`, { headers: { authorization: AUTHORIZATION } });
    return (await answer.json()) as T;
  }
}
