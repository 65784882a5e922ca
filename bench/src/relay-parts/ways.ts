/** How activations reach the load balancer, and the no-op invoker beside it, in each mode of OpenWhisk's scheduler. */
import { credentials } from '@grpc/grpc-js';
import { type Bus, createLogger, TOPIC_SETTINGS, Topics } from '@tetris/common';
import { GrpcEtcd } from '@tetris/common/etcd';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEtcd } from '../servers';
import { ACTION, FPC_INVOKER, PREFIX } from './messages';
import { BenchScheduler } from './scheduler';

export type Way = 'direct' | 'relayed';
export const WAYS: readonly Way[] = ['direct', 'relayed'];
/** Where each way's acks come back. */
export const TOPICS: Record<Way, Topics> = {
  direct: new Topics(PREFIX.direct),
  relayed: new Topics(PREFIX.controller),
};

export interface Sender {
  /** Arguments of the invoker and of the load balancer, beside the servers that both modes have. */
  invokerArguments: string[];
  balancerArguments: string[];
  /** Resolves when the load balancer takes activations. */
  usable(): Promise<void>;
  send(way: Way, activation: string): Promise<void>;
  stop(): Promise<void>;
}

const USABLE_MS_MAX = 30_000;

async function within<T>(work: Promise<T>): Promise<T> {
  const timeout = sleep(USABLE_MS_MAX, undefined, { ref: false }).then(() => {
    throw new Error('the load balancer never became usable');
  });
  return Promise.race([work, timeout]);
}

/** By the invokers' topics; usable with the first ping that says so. */
export async function shardingSender(bus: Bus): Promise<Sender> {
  const { health } = TOPICS.relayed;
  await bus.ensureTopic(health, TOPIC_SETTINGS.health);
  let pinged = (): void => undefined;
  const first = new Promise<void>((resolve) => (pinged = resolve));
  const handler = ({ value }: { value: Buffer }): void => {
    if ((JSON.parse(value.toString()) as { isEnabled?: boolean }).isEnabled === true) pinged();
  };
  const pings = await bus.subscribe({ topic: health, group: `${health}0`, from: 'latest', capacity: 128, handler });
  return {
    invokerArguments: [],
    balancerArguments: [],
    usable: () => within(first),
    send: async (way, activation) => {
      await bus.send(TOPICS[way].invoker(0), activation);
    },
    stop: () => pings.stop(),
  };
}

/** By the queues of a scheduler, one of which the invoker pulls as a stock container does. */
export async function fpcSender(bus: Bus): Promise<Sender> {
  const etcdServer = await startEtcd();
  await bus.ensureTopic(TOPICS.relayed.creationAck('0'), TOPIC_SETTINGS.completed);
  const hosts = [etcdServer.address] as const;
  const insecure = credentials.createInsecure();
  const log = createLogger('bench', 'warn');
  const etcd = new GrpcEtcd({ hosts, credentials: insecure, requestMsMax: 3_000, watchSilenceMs: 10_000 }, log);
  const scheduler = new BenchScheduler();
  const port = await scheduler.start();
  const isUp = async (): Promise<void> => {
    while (!(await etcd.list('whisk/invokers/')).some(({ value }) => value.includes('"up"'))) await sleep(100);
  };
  return {
    invokerArguments: [String(port)],
    balancerArguments: [etcdServer.address],
    usable: async () => {
      await within(isUp());
      await bus.send(TOPICS.relayed.invoker(FPC_INVOKER), orderText(port));
    },
    send: async (way, activation) => scheduler.offer(way, activation),
    stop: async () => {
      scheduler.stop();
      await etcd.close();
      await etcdServer.stop();
    },
  };
}

/** The order of one container, as a scheduler writes it. */
function orderText(port: number): string {
  const { path, name, version } = ACTION;
  return JSON.stringify({
    transid: ['sid_containerCreation', Date.now()],
    invocationNamespace: 'relayed' satisfies Way,
    action: ACTION,
    revision: '1-bench',
    whiskActionMetaData: {
      ...{ namespace: path, name, version, publish: false, annotations: [], parameters: [] },
      limits: { timeout: 60_000, memory: 256, logs: 10, concurrency: 1 },
      exec: { kind: 'nodejs:20', binary: false },
    },
    rootSchedulerIndex: { asString: '0' },
    schedulerHost: '127.0.0.1',
    rpcPort: port,
    retryCount: 0,
    creationId: '0'.repeat(32),
  });
}
