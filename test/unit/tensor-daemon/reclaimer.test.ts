import { GreedyDual } from '../../../tensor-daemon/src/store/greedy-dual';
import { hookFiles } from '../../../tensor-daemon/src/store/files';
import { StoreWorld } from '../../support/store-world';

const INSTANCE = 'instance-number-0';

describe('Reclaimer', () => {
  let world: StoreWorld;
  beforeEach(() => (world = new StoreWorld()));
  afterEach(async () => {
    hookFiles(undefined);
    await world.dispose();
  });

  const use = async (index: number): Promise<void> => {
    await world.upload(index);
    await world.lease(INSTANCE, index);
    for (const holder of [...world.holders.keys()]) world.hangUp(holder);
    await world.rest();
  };

  it('keeps a model for its keep-alive after its last use, which a new lease begins anew', async () => {
    await use(0);
    await world.sweep(0);
    await world.sweep(40);
    await world.lease(INSTANCE, 0);
    await world.sweep(40);
    for (const holder of [...world.holders.keys()]) world.hangUp(holder);
    await world.rest();
    await world.sweep(0);
    await world.sweep(49);
    expect(world.store.catalog.modelCount).toBe(1);
    await world.sweep(1);
    expect(world.store.catalog.modelCount).toBe(0);
  });

  it('remembers nothing of models that have left, in whichever way', async () => {
    const sizes = jest.spyOn(GreedyDual.prototype, 'forget');
    await use(0);
    await use(2);
    await world.reclaimer.free(1);
    await world.sweep(0);
    await world.sweep(1_000);
    expect(world.store.catalog.modelCount).toBe(0);
    const [order] = sizes.mock.contexts as GreedyDual[];
    expect(order?.size).toBe(0);
    sizes.mockRestore();
  });

  it('counts a model that cannot be removed, lets another go, and tries again', async () => {
    await use(2);
    await use(4);
    const before = world.store.catalog.bytes;
    let failed = 0;
    hookFiles((operation, path) => {
      if (operation !== 'rename' || !path.includes('/models/') || failed++ > 0) return;
      throw Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' });
    });
    const freed = await world.reclaimer.free(before);
    expect(world.store.catalog.bytes).toBe(before - freed.bytes);
    expect([world.store.catalog.modelCount, world.store.cleanups.pending, world.failures.length]).toEqual([1, 1, 1]);
    expect(world.uncounted()).toEqual([]);
    await world.sweep(20);
    await world.rest();
    expect([world.store.catalog.bytes, world.store.cleanups.pending]).toEqual([0, 0]);
  });
});

describe('LeaseService where the disk fails', () => {
  it('goes on when a view cannot be removed, counts it, and removes it later', async () => {
    const world = new StoreWorld();
    await world.upload(0);
    await world.lease(INSTANCE, 0);
    hookFiles((operation) => {
      if (operation === 'rename') throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
    });
    for (const holder of [...world.holders.keys()]) world.hangUp(holder);
    await world.rest();
    hookFiles(undefined);
    expect([world.table.leaseCount, world.store.cleanups.pending]).toEqual([0, 1]);
    await world.sweep(20);
    expect(world.faults()).toEqual([]);
    await world.dispose();
  });

  it('gives a view that is wanted again before it could be removed to its new lease', async () => {
    const world = new StoreWorld();
    await world.upload(0);
    await world.lease(INSTANCE, 0);
    hookFiles((operation) => {
      if (operation === 'rename') throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
    });
    for (const holder of [...world.holders.keys()]) world.hangUp(holder);
    await world.rest();
    hookFiles(undefined);
    await world.lease(INSTANCE, 0);
    await world.sweep(20);
    expect(world.faults()).toEqual([]);
    expect(world.store.cleanups.pending).toBe(0);
    await world.dispose();
  });

  it('answers a lease of an unknown digest at once, however many ingests wait', async () => {
    const world = new StoreWorld({ ingestsMax: 1 });
    await world.upload(0);
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    world.pause = () => held;
    const first = world.lease(INSTANCE, 0);
    await expect(world.lease(INSTANCE, 99)).rejects.toMatchObject({ code: 'ERR_MODEL_UNKNOWN' });
    release();
    await first;
    await world.dispose();
  });

  it('has room for others when those who fill its queue hang up', async () => {
    const world = new StoreWorld({ ingestsMax: 1, ingestQueueMax: 2 });
    for (const index of [0, 1, 2, 3]) await world.upload(index);
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    world.pause = () => held;
    const waiting = [0, 1, 2].map((index) => {
      const abort = new AbortController();
      return { abort, call: world.lease(INSTANCE, index, abort) };
    });
    const refused = waiting.map(({ call }) => expect(call).rejects.toMatchObject({ code: 'ERR_LEASE_UNKNOWN' }));
    await new Promise((resolve) => setImmediate(resolve));
    await expect(world.lease(INSTANCE, 3)).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' });
    for (const { abort } of waiting) abort.abort();
    await Promise.all(refused);
    expect(world.ingest.list()).toEqual([]);
    release();
    await world.lease(INSTANCE, 3);
    await world.rest();
    expect(world.faults()).toEqual([]);
    await world.dispose();
  });
});
