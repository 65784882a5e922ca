#!/usr/bin/env node
/** The load balancer as a process of a cluster: between Kafka, CouchDB and Redis. SIGTERM and SIGINT drain it. */
import { createLogger, errorMessage, kafkaSecurity, readConfig, stopOnSignals } from '@tetris/common';
import { CouchStore } from '@tetris/common/couch';
import { KafkaBus } from '@tetris/common/kafka';
import { addProcessMetrics } from '@tetris/common/metrics';
import { RedisRegistry } from '@tetris/common/redis';
import { LoadBalancer } from './balancer';
import { balancerConfig } from './config';

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
  const balancer = new LoadBalancer({ controllerBus, invokerBus, entities, registry, config, log });
  addProcessMetrics(balancer.metrics, 'balancer');

  const stop = async (): Promise<void> => {
    log.info('draining');
    await balancer.stop();
    const closing = [...new Set([controllerBus, invokerBus]), entities, registry].map(async (part) => part.close());
    await Promise.allSettled(closing);
  };
  stopOnSignals(stop, log);
  await balancer.start();
}

main().catch((error: unknown) => {
  process.stderr.write(`load-balancer: ${errorMessage(error)}\n`);
  process.exit(1);
});
