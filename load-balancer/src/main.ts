#!/usr/bin/env node
/** The load balancer as a process of a cluster: between Kafka, CouchDB and Redis. SIGTERM and SIGINT drain it. */
import { createLogger, errorMessage, kafkaSecurity, type Logger, readConfig, stopOnSignals } from '@tetris/common';
import { CouchStore } from '@tetris/common/couch';
import { GrpcEtcd } from '@tetris/common/etcd';
import { grpcCredentials } from '@tetris/common/grpc';
import { KafkaBus } from '@tetris/common/kafka';
import { addProcessMetrics } from '@tetris/common/metrics';
import { RedisRegistry } from '@tetris/common/redis';
import { openTracer } from '@tetris/common/tracing';
import { LoadBalancer } from './balancer';
import { type BalancerConfig, balancerConfig } from './config';
import { GrpcSchedulers } from './fpc/schedulers';

async function main(): Promise<void> {
  const config = readConfig(balancerConfig, process.env);
  const log = createLogger(`balancer${config.firstVirtualInvoker}`, config.logLevel);
  const busAt = (brokers: readonly string[]): KafkaBus => {
    const clientId = `tetris-balancer${config.firstVirtualInvoker}`;
    const replicationFactor = config.kafkaReplicationFactor;
    return new KafkaBus({ brokers, clientId, replicationFactor, ...kafkaSecurity(config) }, log);
  };
  const controllerBus = busAt(config.kafkaBrokers);
  const invokerBus = config.invokerKafkaBrokers.length === 0 ? controllerBus : busAt(config.invokerKafkaBrokers);
  const prefix = config.couchPrefix;
  const databases = {
    whisks: `${prefix}whisks`,
    activations: `${prefix}activations`,
    subjects: `${prefix}subjects`,
  };
  const entities = new CouchStore({ url: config.couchUrl, databases }, log);
  const registry = new RedisRegistry({ url: config.redisUrl }, log);
  const fpc = config.frontEnds.includes('fpc') ? { ...fpcServers(config, log), entityChanges: entities } : undefined;
  const tracer = openTracer(config, 'balancer', String(config.firstVirtualInvoker));
  const own = fpc === undefined ? {} : { fpc };
  const balancer = new LoadBalancer({ tracer, controllerBus, invokerBus, entities, registry, config, log, ...own });
  addProcessMetrics(balancer.metrics, 'balancer');

  const stop = async (): Promise<void> => {
    log.info('draining');
    await balancer.stop();
    const closing = [...new Set([controllerBus, invokerBus]), entities, registry].map(async (part) => part.close());
    await Promise.allSettled([...closing, fpc?.etcd.close(), tracer.close()]);
    fpc?.schedulers.close();
  };
  stopOnSignals(stop, log);
  await balancer.start();
}

function fpcServers(config: BalancerConfig, log: Logger): { etcd: GrpcEtcd; schedulers: GrpcSchedulers } {
  const [first = '127.0.0.1:2379', ...others] = config.etcdHosts;
  const etcdOptions = {
    hosts: [first, ...others] as const,
    credentials: grpcCredentials(config.etcdTls),
    requestMsMax: config.etcdRequestMsMax,
    watchSilenceMs: config.etcdLeaseTtlMs,
  };
  const { messageBytesMax } = config;
  const credentials = grpcCredentials(config.fpcTls);
  const schedulers = new GrpcSchedulers({ credentials, pullMsMax: PULL_MS_MAX, messageBytesMax: 2 * messageBytesMax });
  return { etcd: new GrpcEtcd(etcdOptions, log), schedulers };
}

/** A scheduler answers within one second, and gives up on itself after five. */
const PULL_MS_MAX = 10_000;

main().catch((error: unknown) => {
  process.stderr.write(`load-balancer: ${errorMessage(error)}\n`);
  process.exit(1);
});
