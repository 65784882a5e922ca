/** The plugin's services as an operator would configure them, on servers of this machine. */
import { dirname, join } from 'node:path';
import { START_ARGUMENTS } from '@tetris/action-runtime';
import type { CouchServer, EtcdServer, KafkaServer, RedisServer } from '@tetris/bench/servers';
import { ServiceProcess } from './service-process';

export interface Servers {
  kafka: KafkaServer;
  redis: RedisServer;
  couch: CouchServer;
}

/** For OpenWhisk's new scheduler. */
export interface FpcServers extends Servers {
  etcd: EtcdServer;
}

type Environment = Readonly<Record<string, string>>;

const mainOf = (workspace: string): string => join(dirname(require.resolve(workspace)), 'main.js');

/** @param workPath of its process containers */
export function invokerService(servers: Servers, index: number, workPath: string, env: Environment): ServiceProcess {
  return new ServiceProcess(`invoker${index}`, mainOf('@tetris/invoker-extension'), {
    ...serverEnv(servers, 'INVOKER'),
    TETRIS_INVOKER_INSTANCE: String(index),
    TETRIS_INVOKER_NODE: `node${index}`,
    TETRIS_INVOKER_WORK_PATH: workPath,
    TETRIS_INVOKER_RUNTIME_COMMAND: [process.execPath, ...START_ARGUMENTS].join(','),
    TETRIS_INVOKER_MEMORY: '2g',
    TETRIS_INVOKER_EVENTS_TOPIC: 'events',
    ...env,
  });
}

/** One load balancer with one virtual invoker, of its own index. */
export function balancerService(servers: Servers, index: number, env: Environment): ServiceProcess {
  return new ServiceProcess(`balancer${index}`, mainOf('@tetris/load-balancer'), {
    ...serverEnv(servers, 'BALANCER'),
    TETRIS_BALANCER_FIRST_VIRTUAL_INVOKER: String(index),
    TETRIS_BALANCER_CONTROLLERS: '0',
    ...env,
  });
}

/** The same, which takes its activations from the new scheduler. @param cluster `whisk.cluster.name` */
export function fpcBalancerService(
  servers: FpcServers,
  index: number,
  cluster: string,
  env: Environment,
): ServiceProcess {
  return balancerService(servers, index, {
    TETRIS_BALANCER_FRONT_ENDS: 'fpc',
    TETRIS_BALANCER_ETCD_HOSTS: servers.etcd.address,
    TETRIS_BALANCER_ETCD_CLUSTER: cluster,
    ...env,
  });
}

function serverEnv({ kafka, redis, couch }: Servers, component: string): Record<string, string> {
  return {
    [`TETRIS_${component}_KAFKA_BROKERS`]: kafka.broker,
    [`TETRIS_${component}_REDIS_URL`]: redis.url,
    [`TETRIS_${component}_COUCH_URL`]: couch.url,
  };
}
