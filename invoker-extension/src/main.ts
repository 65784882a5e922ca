/** One invoker of a cluster: Kafka, CouchDB, Redis; process or Docker containers; a tensor daemon beside it. */
import {
  createLogger,
  DaemonOperator,
  errorMessage,
  kafkaSecurity,
  type Logger,
  PluginError,
  readConfig,
  stopOnSignals,
} from '@tetris/common';
import { CouchStore } from '@tetris/common/couch';
import { KafkaBus } from '@tetris/common/kafka';
import { addProcessMetrics } from '@tetris/common/metrics';
import { RedisRegistry } from '@tetris/common/redis';
import { openTracer } from '@tetris/common/tracing';
import { BlacklistKeeper, NameBlacklist } from './messages/blacklist';
import { type InvokerConfig, invokerConfig, workPathOf } from './config';
import type { ContainerFactory } from './sandboxes/container';
import { parseModelRoot } from './sandboxes/container-paths';
import { DockerFactory } from './sandboxes/docker-factory';
import { kubernetesClient, KubernetesFactory } from './sandboxes/kubernetes-factory';
import { claimIndex } from './sandboxes/kubernetes-index';
import { ProcessFactory } from './sandboxes/process-factory';
import { InvokerExtension } from './invoker-extension';
import { invokerServer } from './server';

function containerFactory(config: InvokerConfig, log: Logger): ContainerFactory {
  const daemonSocketPath = config.daemonSocketPath === '' ? undefined : config.daemonSocketPath;
  if (config.containers === 'docker') {
    return new DockerFactory({
      config,
      invoker: config.uniqueName === '' ? `invoker${config.instance}` : config.uniqueName,
      userMemoryBytes: config.memory,
      daemonSocketPath,
      operatorSocketPath: config.daemonOperatorSocketPath === '' ? undefined : config.daemonOperatorSocketPath,
      modelRoots: config.modelRoots.map(parseModelRoot),
      log,
    });
  }
  if (config.containers === 'kubernetes') {
    return new KubernetesFactory({
      config,
      // A label's value, which a name shown to people may not be.
      invoker: `invoker${config.instance}`,
      daemonSocketPath,
      modelRoots: config.modelRoots.map(parseModelRoot),
      log,
    });
  }
  if (config.runtimeCommand.length === 0) {
    throw new PluginError('ERR_CONFIG_INVALID', 'TETRIS_INVOKER_RUNTIME_COMMAND is needed for process containers');
  }
  return new ProcessFactory({
    command: config.runtimeCommand,
    workPath: workPathOf(config),
    daemonSocketPath,
    modelRoots: config.modelRoots.map((root) => parseModelRoot(root).inside),
    path: process.env['PATH'] ?? '',
    memoryWatchMs: config.memoryWatchMs,
  });
}

/** The configuration with the index that this node has claimed, where it is to claim one. */
async function withIndex(config: InvokerConfig): Promise<InvokerConfig> {
  if (!config.kubernetesClaimInstance) return config;
  const client = kubernetesClient(config);
  try {
    return { ...config, instance: await claimIndex({ client, node: config.kubernetesNode, first: config.instance }) };
  } finally {
    await client.close();
  }
}

async function main(): Promise<void> {
  const config = await withIndex(readConfig(invokerConfig, process.env));
  const log = createLogger(`invoker${config.instance}`, config.logLevel);
  const bus = new KafkaBus(
    {
      brokers: config.kafkaBrokers,
      clientId: `tetris-invoker${config.instance}`,
      replicationFactor: config.kafkaReplicationFactor,
      ...kafkaSecurity(config),
    },
    log,
  );
  const prefix = config.couchPrefix;
  const entities = new CouchStore(
    {
      url: config.couchUrl,
      databases: { whisks: `${prefix}whisks`, activations: `${prefix}activations`, subjects: `${prefix}subjects` },
      cacheBytesMax: config.actionCacheBytes,
      cacheTtlMs: config.actionCacheTtlMs,
    },
    log,
  );
  const registry = new RedisRegistry({ url: config.redisUrl }, log);
  const daemon =
    config.daemonOperatorSocketPath === '' ? undefined : new DaemonOperator(config.daemonOperatorSocketPath);
  const factory = containerFactory(config, log);
  const blacklist = new NameBlacklist(config.blacklist);
  const tracer = openTracer(config, 'invoker', String(config.instance));
  const invoker = new InvokerExtension({ tracer, config, bus, entities, registry, factory, daemon, blacklist, log });
  addProcessMetrics(invoker.metrics, 'invoker');
  const { blacklist: always, blacklistMs: intervalMs } = config;
  const keeper = new BlacklistKeeper({ list: blacklist, entities, always, intervalMs, log });
  const server = invokerServer({ invoker, user: config.httpUser, password: config.httpPassword });

  const stop = async (): Promise<void> => {
    log.info('draining');
    keeper.stop();
    await invoker.stop();
    await server.close();
    await Promise.allSettled([bus.close(), entities.close(), registry.close(), tracer.close()]);
  };
  stopOnSignals(stop, log);
  await keeper.start();
  await invoker.start();
  // Not before: whoever asks `/ping` wants to know whether activations are taken.
  if (config.httpPort > 0) await server.listen({ host: config.httpHost, port: config.httpPort });
  log.info({ topicPrefix: config.topicPrefix, containers: config.containers }, 'invoker started');
}

main().catch((error: unknown) => {
  process.stderr.write(`invoker-extension: ${errorMessage(error)}\n`);
  process.exit(1);
});
