import type { FpcServers, Servers } from '../cluster/services';
import type { Engine } from '../docker/engine';
import { StockProcess } from './stock-process';
import { etcdSettings } from './stock-scheduler';

const CORE = 'org.apache.openwhisk.core';

const SHARDING = {
  'whisk.kafka.topics.prefix': 'tetris-',
  'whisk.spi.InvokerProvider': `${CORE}.invoker.InvokerReactive`,
  'whisk.spi.InvokerServerProvider': `${CORE}.invoker.DefaultInvokerServer`,
};
/** Without defaults in the jars; Ansible sets both. */
const FPC = {
  'whisk.invoker.container-creation.max-peek': 500,
  'whisk.scheduler.data-management-service.retry-interval': '1 second',
};

/** A stock invoker with Docker containers: behind our load balancer as `ansible/openwhisk/l2.yml` sets it, or beside it. */
export async function startStockInvoker(
  servers: Servers | FpcServers,
  engine: Engine,
  instance: number,
  classPath: string,
  folder: string,
): Promise<StockProcess> {
  const settings = {
    ...('etcd' in servers ? { ...etcdSettings(servers), ...FPC } : SHARDING),
    // As l1-concurrency.yml sets it. The default store reads the engine's files, which are elsewhere in a test.
    'whisk.spi.LogStoreProvider': `${CORE}.containerpool.logging.LogDriverLogStoreProvider`,
    'whisk.invoker.protocol': 'http',
    'whisk.container-pool.user-memory': '1024m',
    'whisk.container-factory.container-args.network': 'bridge',
    'whisk.docker.container-factory.use-runc': 'false',
    // As `runtimes_enable_concurrency` has it.
    'whisk.container-factory.container-args.extra-env-vars.0': '__OW_ALLOW_CONCURRENT=true',
  };
  const env = {
    DOCKER_HOST: `unix://${engine.socketPath}`,
    WHISK_API_HOST_PROTO: 'http',
    WHISK_API_HOST_PORT: '80',
    WHISK_API_HOST_NAME: '127.0.0.1',
  };
  // Of its own in each mode: one removes what it finds of its name in the engine, and complains of some of it.
  const name = `stock${'etcd' in servers ? 'fpc' : ''}${instance}`;
  const args = ['--id', String(instance), '--uniqueName', name];
  const launch = { name, classPath, mainClass: `${CORE}.invoker.Invoker`, args };
  return StockProcess.start(servers, { ...launch, settings, env }, folder);
}
