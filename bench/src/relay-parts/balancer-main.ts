/** The load balancer under test: the real one, on the broker and the Redis server given as arguments. */
import { EmbeddedStore, readConfig } from '@tetris/common';
import { RedisRegistry } from '@tetris/common/redis';
import { LoadBalancer, balancerConfig } from '@tetris/load-balancer';
import { ACTION, benchBus, benchLog, PREFIX, serveParent } from './messages';

async function main(broker: string, redisUrl: string): Promise<void> {
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
    { stockGraceMs: 0, invokerInFlightMax: 10_000, controllerPrefix: PREFIX.controller, invokerPrefix: PREFIX.invoker },
  );
  const registry = new RedisRegistry({ url: redisUrl }, log);
  const balancer = new LoadBalancer({ controllerBus: bus, invokerBus: bus, entities, registry, config, log });
  await balancer.start();
  serveParent(async () => {
    await balancer.stop();
    await bus.close();
    await registry.close();
  });
}

void main(process.argv[2] ?? '', process.argv[3] ?? '');
