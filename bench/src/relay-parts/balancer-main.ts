/** The load balancer under test: the real one, on the broker and the Redis server given as arguments, and on etcd where one is. */
import { credentials } from '@grpc/grpc-js';
import { EmbeddedStore, type Logger, readConfig } from '@tetris/common';
import { GrpcEtcd } from '@tetris/common/etcd';
import { RedisRegistry } from '@tetris/common/redis';
import { type FpcAdapters, GrpcSchedulers, LoadBalancer, balancerConfig } from '@tetris/load-balancer';
import { ACTION, benchBus, benchLog, FPC_INVOKER, PREFIX, serveParent } from './messages';

async function main(broker: string, redisUrl: string, etcdAddress: string | undefined): Promise<void> {
  const bus = benchBus(broker, 'balancer');
  const log = benchLog('balancer');
  const entities = await EmbeddedStore.open({ log });
  await entities.putAction({
    namespace: ACTION.path,
    name: ACTION.name,
    version: ACTION.version,
    publish: false,
    updated: 0,
    exec: { kind: 'nodejs:20', code: 'exports.main = (args) => args;', binary: false },
    parameters: [],
    annotations: [],
    limits: { timeout: 60_000, memory: 256, logs: 10, concurrency: 1 },
  });
  const config = readConfig(
    balancerConfig,
    {},
    {
      stockGraceMs: 0,
      invokerInFlightMax: 10_000,
      controllerPrefix: PREFIX.controller,
      invokerPrefix: PREFIX.invoker,
      frontEnds: [etcdAddress === undefined ? 'sharding' : 'fpc'],
      fpcFirstInvoker: FPC_INVOKER,
    },
  );
  const registry = new RedisRegistry({ url: redisUrl }, log);
  const fpc = etcdAddress === undefined ? undefined : fpcAdapters(etcdAddress, log);
  const own = fpc === undefined ? {} : { fpc };
  const balancer = new LoadBalancer({ controllerBus: bus, invokerBus: bus, entities, registry, config, log, ...own });
  await balancer.start();
  serveParent(async () => {
    await balancer.stop();
    await bus.close();
    await registry.close();
    fpc?.schedulers.close();
    await fpc?.etcd.close();
  });
}

/** No entity changes: what the benchmark invokes is ordered by itself. */
function fpcAdapters(address: string, log: Logger): FpcAdapters {
  const insecure = credentials.createInsecure();
  return {
    etcd: new GrpcEtcd({ hosts: [address], credentials: insecure, requestMsMax: 3_000, watchSilenceMs: 10_000 }, log),
    schedulers: new GrpcSchedulers({ credentials: insecure, pullMsMax: 10_000, messageBytesMax: 4 * 1024 ** 2 }),
    entityChanges: { actionChanges: async () => ({ changes: [], since: '0' }) },
  };
}

void main(process.argv[2] ?? '', process.argv[3] ?? '', process.argv[4]);
