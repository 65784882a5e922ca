/** {@link RedisRegistry} on a real Redis: the contract, and what happens when Redis goes away. */
import { Redis } from 'ioredis';
import { startRedis, type RedisServer } from '@tetris/bench/servers';
import { createLogger } from '@tetris/common';
import { RedisRegistry, type RedisRegistryOptions } from '@tetris/common/redis';
import { inFlight, invokerStatus, registryContract, tensor, Told } from '../support/registry-contract';
import { until } from '../support/until';
const log = createLogger('test', 'silent');

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const connect = (options: Partial<RedisRegistryOptions> = {}): RedisRegistry =>
  new RedisRegistry({ url: redis.url, ...options }, log);

registryContract('RedisRegistry', () => ({ connect: () => connect() }));

describe('RedisRegistry', () => {
  let registries: RedisRegistry[];
  let client: Redis;
  const open = (options: Partial<RedisRegistryOptions> = {}): RedisRegistry => {
    const registry = connect(options);
    registries.push(registry);
    return registry;
  };
  beforeEach(async () => {
    registries = [];
    client = new Redis(redis.url);
    await client.flushall();
  });
  afterEach(async () => {
    client.disconnect();
    await Promise.all(registries.map((registry) => registry.close()));
  });

  it('gives every key the prefix and a TTL', async () => {
    const registry = open({ prefix: 'p:' });
    await registry.publishInventory('n', { sequence: 1, tensors: [tensor('a')] });
    await registry.publishInventoryDelta('n', { sequence: 2, added: [tensor('b')], removed: [] });
    await registry.publishStatus(invokerStatus(0));
    await registry.putManifest('a@1', { tensors: [], privateBytes: 0 });
    await registry.putInFlight('owner', inFlight('a'));
    const keys = await client.keys('*');
    expect(keys.length).toBeGreaterThanOrEqual(7);
    for (const key of keys) {
      expect(key).toMatch(/^p:/);
      expect(await client.pttl(key)).toBeGreaterThan(0);
    }
  });

  it('keeps the inventory of a living node past its TTL, and lets that of a dead one go', async () => {
    const living = open({ inventoryTtlMs: 600 });
    const dead = open({ inventoryTtlMs: 600 });
    await living.publishInventory('living', { sequence: 1, tensors: [tensor('a')] });
    await dead.publishInventory('dead', { sequence: 1, tensors: [tensor('b')] });
    const told = new Told();
    await open({ compareMs: 200 }).watch(told);
    expect([told.digits('living'), told.digits('dead')]).toEqual(['a', 'b']);
    await dead.close();
    await until(() => told.digits('dead') === '');
    expect(told.digits('living')).toBe('a');
  });

  it('bounds the manifests, the longest unused leaving first', async () => {
    const registry = open({ manifestsMax: 3 });
    for (const name of ['a', 'b', 'c']) await registry.putManifest(name, { tensors: [], privateBytes: 0 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    await registry.getManifest('a');
    await registry.putManifest('d', { tensors: [], privateBytes: 0 });
    const found = await Promise.all(['a', 'b', 'c', 'd'].map((name) => registry.getManifest(name)));
    expect(found.map((manifest) => manifest !== undefined)).toEqual([true, false, true, true]);
  });

  it('reads the snapshot where a delta was lost', async () => {
    const registry = open();
    await registry.publishInventory('n', { sequence: 1, tensors: [tensor('a')] });
    const told = new Told();
    await open().watch(told);
    // The second change reaches the hash but not the watcher.
    await client.hset('tetris:inventory:n', 'b'.repeat(64), '1', 'sequence', '2');
    await registry.publishInventoryDelta('n', { sequence: 3, added: [tensor('c')], removed: [] });
    await until(() => told.digits('n') === 'abc');
  });

  it('notices at the next comparison what was lost without a trace', async () => {
    const registry = open();
    await registry.publishInventory('n', { sequence: 1, tensors: [tensor('a')] });
    const told = new Told();
    await open({ compareMs: 100 }).watch(told);
    await client.hset('tetris:inventory:n', 'b'.repeat(64), '1', 'sequence', '2');
    await until(() => told.digits('n') === 'ab');
  });

  it('drops what is no message on its channel and goes on', async () => {
    const told = new Told();
    await open().watch(told);
    for (const poison of ['', '{', 'null', '{"kind":"delta"}', '{"kind":"status"}', '[]', '{"kind":"what"}']) {
      await client.publish('tetris:changes', poison);
    }
    await open().publishStatus(invokerStatus(5));
    await until(() => told.statuses.has(5));
  });

  it('is whole again after Redis was emptied under it', async () => {
    const registry = open({ inventoryTtlMs: 300 });
    await registry.publishInventory('n', { sequence: 1, tensors: [tensor('a')] });
    const told = new Told();
    await open({ compareMs: 100 }).watch(told);
    await client.flushall();
    await registry.publishInventoryDelta('n', { sequence: 2, added: [tensor('b')], removed: [] });
    await until(() => told.digits('n') === 'ab');
    const late = new Told();
    await open().watch(late);
    expect(late.digits('n')).toBe('ab');
  });

  it('is whole again after Redis was restarted empty, and failed at once in between', async () => {
    const registry = open();
    await registry.publishInventory('n', { sequence: 1, tensors: [tensor('a')] });
    await registry.putManifest('m', { tensors: [tensor('a')], privateBytes: 3 });
    await registry.putInFlight('owner', inFlight('a'));
    await registry.putInFlight('owner', inFlight('b'));
    const told = new Told();
    const watching = open();
    await watching.watch(told);
    await redis.down();
    await until(async () => !(await registry.getManifest('m').then(Boolean, () => false)));
    const failures = await Promise.allSettled([
      registry.publishInventoryDelta('n', { sequence: 2, added: [tensor('b')], removed: [] }),
      registry.putInFlight('owner', inFlight('c')),
      registry.deleteInFlight('owner', 'b'.repeat(32)),
      registry.getManifest('m'),
      registry.publishStatus(invokerStatus(1)),
    ]);
    for (const failure of failures) {
      expect(failure).toMatchObject({ reason: { code: 'ERR_STORE_UNAVAILABLE', retriable: true } });
    }
    expect(told.digits('n')).toBe('a');
    await redis.up();
    await until(() => told.digits('n') === 'ab');
    const other = open();
    await until(async () => {
      const ids = (await other.listInFlight('owner')).map(({ activationId }) => activationId[0]);
      return ids.sort().join('') === 'ac' && (await other.getManifest('m')) !== undefined;
    });
  });

  it('starts while Redis is away, and tells its watcher everything when it is there', async () => {
    await redis.down();
    const told = new Told();
    const registry = open({ commandTimeoutMs: 200 });
    const watching = open({ commandTimeoutMs: 200 });
    const publication = registry.publishInventory('n', { sequence: 1, tensors: [tensor('a')] });
    await expect(publication).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' });
    await watching.watch(told);
    expect(told.inventories.size).toBe(0);
    await redis.up();
    await until(() => told.digits('n') === 'a');
  });
});
