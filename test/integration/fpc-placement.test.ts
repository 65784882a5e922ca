/** Where the first activation of a function goes, with OpenWhisk's new scheduler. */
import { setInterval as every } from 'node:timers';
import { type Action, actionKey, createLogger, Topics } from '@tetris/common';
import { RedisRegistry } from '@tetris/common/redis';
import { FakeInvoker } from '../support/fake-invoker';
import { FpcCluster } from '../support/scheduler/fpc-cluster';
const FUNCTIONS = 100;
const GIB = 1024 ** 3;
const PING_MS = 1_000;
/** Node 0 has nothing, node 1 the backbone. */
const HOLDER = 1;
const BACKBONE = Array.from({ length: 20 }, (_, n) => ({
  sha256: n.toString(16).padStart(64, 'b'),
  bytes: 16 * 1024 ** 2,
}));

/** Nodes whose invokers answer at once, and say of themselves what the load balancer places by. */
class Nodes {
  readonly invokers: FakeInvoker[] = [];
  #registry: RedisRegistry | undefined;
  #timer: NodeJS.Timeout | undefined;

  async start(cluster: FpcCluster): Promise<void> {
    const registry = new RedisRegistry({ url: cluster.servers.redis.url }, createLogger('nodes', 'silent'));
    this.#registry = registry;
    for (const instance of [0, 1]) {
      const tensors = instance === HOLDER ? BACKBONE : [];
      await registry.publishInventory(`node${instance}`, { sequence: 1, tensors });
      const invoker = new FakeInvoker({
        bus: cluster.bus,
        topics: new Topics('tetris-'),
        instance,
        memoryMb: 64 * 1024,
      });
      this.invokers.push(invoker);
      await cluster.bus.ensureTopic('tetris-health', { segmentBytes: 1e7, retentionBytes: 1e7, retentionMs: 1e7 });
      await invoker.start();
    }
    await this.#tell();
    this.#timer = every(() => void this.#tell().catch(() => undefined), PING_MS);
  }

  async knows(action: Action): Promise<void> {
    const key = actionKey(`${action.namespace}/${action.name}`, action.revision);
    await this.#registry?.putManifest(key, { tensors: BACKBONE, privateBytes: 32 * 1024 ** 2 });
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.invokers.map(async (invoker) => invoker.stop()));
    await this.#registry?.close();
  }

  async #tell(): Promise<void> {
    for (const [instance, invoker] of this.invokers.entries()) {
      const memory = { memoryBytes: 64 * GIB, memoryUsedBytes: instance === HOLDER ? 8 * GIB : 0 };
      const node = `node${instance}`;
      const load = { running: 0, waiting: 0, warm: [], draining: false };
      await this.#registry?.publishStatus({ instance, node, atMs: Date.now(), ...memory, ...load });
      await invoker.ping();
    }
  }
}

describe('the first activation of a function', () => {
  const nodes = new Nodes();
  let cluster: FpcCluster;
  beforeAll(async () => {
    cluster = await FpcCluster.start({ invokers: 0, prepare: (started) => nodes.start(started), limit: 2 * FUNCTIONS });
  });
  afterAll(async () => {
    await nodes.stop();
    await cluster?.stop();
  });

  it(`goes to the node that holds its backbone, of ${FUNCTIONS} functions each`, async () => {
    const names = Array.from({ length: FUNCTIONS }, (_, n) => `function${n}`);
    for (const name of names) {
      const action = await cluster.putAction({ name, exec: { kind: 'nodejs:tetris', code: '', binary: false } });
      await nodes.knows(action);
      await cluster.hinted(action);
      await cluster.call(action, {});
    }
    expect(nodes.invokers[HOLDER]?.received.map(({ action }) => ('name' in action ? action.name : ''))).toEqual(names);
    expect(cluster.schedulers[0]?.counts).toMatchObject({ ordered: FUNCTIONS, acked: FUNCTIONS });
    await cluster.level();
    expect(cluster.violations).toEqual([]);
  });
});
