import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BuiltModel, buildModel, perceptron } from '@tetris/bench';
import type { Lease } from '@tetris/common';
import { fileSource, TestDaemon, tmpfsFolder } from '../support/daemon';
import { infer } from '../support/infer';
import { until } from '../support/until';

describe('tensor daemon: disk tier', () => {
  const daemon = new TestDaemon();
  const models = tmpfsFolder('tetris-models-test-');
  const disk = mkdtempSync('/var/tmp/tetris-disk-tier-');
  const built: BuiltModel[] = [];
  let config: Record<string, string | number>;

  beforeAll(async () => {
    // Some 2.3 MB each, about twice that in the store.
    for (let seed = 1; seed <= 3; seed++) {
      built.push(await buildModel(perceptron(`d${seed}`, { hidden: 720, seed }), models));
    }
  });
  beforeEach(() => {
    config = { modelRoots: models, diskPath: disk };
  });
  afterEach(async () => {
    await daemon.end();
    for (const folder of [daemon.store, disk]) rmSync(folder, { recursive: true, force: true });
  });
  afterAll(async () => {
    await daemon.dispose();
    for (const folder of [models, disk]) rmSync(folder, { recursive: true, force: true });
  });

  const model = (index: number): BuiltModel => built[index] as BuiltModel;
  const lease = (index: number): Promise<Lease> =>
    daemon.client.lease({ source: fileSource(model(index).path), name: model(index).name });
  /** Leases once, lets go, and has it leave memory. */
  const demote = async (index: number): Promise<void> => {
    (await lease(index)).release();
    await until(async () => (await daemon.operator.totals()).leases === 0);
    await daemon.operator.collect();
    expect(daemon.files('tensors')).toEqual([]);
  };
  const expectSaid = async (counts: Record<string, number>): Promise<void> => {
    expect(await daemon.logged(counts)).toEqual(counts);
  };
  const onDisk = (): string[] => readdirSync(join(disk, 'tensors'));
  const kept = (): string[] => readdirSync(join(disk, 'models'));

  it('keeps a model that leaves memory and has it back without an ingest, with the same answers', async () => {
    await daemon.start(config);
    await demote(0);
    expect(kept()).toHaveLength(1);
    const back = await lease(0);
    await expectSaid({ 'model ingested': 1, 'model restored': 1 });
    expect(new Set(daemon.links().values())).toEqual(new Set([2]));
    const feeds = model(0).inputs(2, 7);
    const stock = await infer(model(0).path, feeds);
    const actual = await infer(daemon.viewPath(back.view), feeds, 'disabled');
    expect(actual).toEqual(stock);
    back.release();
  });

  it('leaves memory a second time without being written again', async () => {
    await daemon.start(config);
    await demote(0);
    const written = onDisk().map((name) => statSync(join(disk, 'tensors', name)).ino);
    await demote(0);
    expect(onDisk().map((name) => statSync(join(disk, 'tensors', name)).ino)).toEqual(written);
    await expectSaid({ 'model restored': 1 });
  });

  it('finds after a restart, even of the whole machine, what is on the disk', async () => {
    await daemon.start(config);
    await demote(0);
    await daemon.end('SIGKILL');
    rmSync(daemon.store, { recursive: true });
    await daemon.start(config);
    (await lease(0)).release();
    await expectSaid({ 'model ingested': 0, 'model restored': 1 });
  });

  it('drops at start a model whose tensor a loss of power has cut short', async () => {
    await daemon.start(config);
    await demote(0);
    await daemon.end('SIGKILL');
    const [cut = ''] = onDisk();
    chmodSync(join(disk, 'tensors', cut), 0o644);
    truncateSync(join(disk, 'tensors', cut), 100);
    await daemon.start(config);
    expect(kept()).toEqual([]);
    expect(onDisk()).toEqual([]);
    (await lease(0)).release();
    await expectSaid({ 'model ingested': 1 });
  });

  it('expected failure: a file that has been cut short under way is found out by its size', async () => {
    await daemon.start(config);
    await demote(0);
    const [cut = ''] = onDisk();
    chmodSync(join(disk, 'tensors', cut), 0o644);
    truncateSync(join(disk, 'tensors', cut), 100);
    (await lease(0)).release();
    await expectSaid({ 'model ingested': 2, 'model not restored': 1 });
    expect(kept()).toEqual([]);
  });

  it('expected failure: a file that has rotted is found out, forgotten, and the model ingested again', async () => {
    await daemon.start({ ...config, diskVerify: 'sha256' });
    await demote(0);
    const [rotten = ''] = onDisk();
    const path = join(disk, 'tensors', rotten);
    const { size } = statSync(path);
    chmodSync(path, 0o644);
    writeFileSync(path, Buffer.alloc(size, 7));
    const back = await lease(0);
    await expectSaid({ 'model ingested': 2, 'model not restored': 1 });
    const feeds = model(0).inputs(1, 3);
    expect(await infer(daemon.viewPath(back.view), feeds, 'disabled')).toEqual(await infer(model(0).path, feeds));
    expect(kept()).toEqual([]);
    back.release();
    await until(async () => (await daemon.operator.totals()).leases === 0);
    await daemon.operator.collect();
    expect(kept()).toHaveLength(1);
  });

  it('has back, checked byte by byte, what is shared in one namespace only', async () => {
    const instance = 'instance-one-00000';
    await daemon.start({ ...config, diskVerify: 'sha256', sharing: 'namespace' });
    await daemon.operator.registerInstance(instance, { namespace: 'guest' });
    const scoped = (): Promise<Lease> => daemon.client.lease({ source: fileSource(model(0).path), instance });
    (await scoped()).release();
    await until(async () => (await daemon.operator.totals()).leases === 0);
    await daemon.operator.collect();
    expect(daemon.files('tensors')).toEqual([]);
    (await scoped()).release();
    await expectSaid({ 'model ingested': 1, 'model restored': 1, 'model not restored': 0 });
  });

  it('keeps the disk within its budget, and forgets what can never fit', async () => {
    await daemon.start({ ...config, diskBytesMax: '8m' });
    await demote(0);
    const [first] = kept();
    await demote(1);
    expect(kept()).toHaveLength(1);
    expect(kept()).not.toEqual([first]);
    const bytes = onDisk().reduce((sum, name) => sum + 512 * statSync(join(disk, 'tensors', name)).blocks, 0);
    expect(bytes).toBeLessThanOrEqual(8 * 1024 ** 2);
    await daemon.end();
    await daemon.start({ ...config, diskBytesMax: '1m' });
    await demote(2);
    await expectSaid({ 'model not demoted': 1 });
    expect(kept().length).toBeLessThanOrEqual(1);
  });

  it('makes room in memory for a new model by demoting', async () => {
    await daemon.start({ ...config, storeBytesMax: '12m' });
    for (const index of [0, 1, 2]) {
      (await lease(index)).release();
      await until(async () => (await daemon.operator.totals()).leases === 0);
    }
    const { uniqueBytes, budgetBytes } = await daemon.operator.totals();
    expect(uniqueBytes).toBeLessThanOrEqual(budgetBytes);
    expect(kept().length).toBeGreaterThan(0);
    const inMemory = (await daemon.operator.models()).map(({ name }) => name);
    const left = built.findIndex(({ name }) => !inMemory.includes(name));
    (await lease(left)).release();
    await expectSaid({ 'model ingested': 3, 'model restored': 1 });
  });

  it('bad call: a second daemon may not use the same disk folder', async () => {
    await daemon.start(config);
    const other = new TestDaemon();
    try {
      await expect(other.start(config)).rejects.toThrow(/another daemon serves the store/);
    } finally {
      await other.dispose();
    }
  });
});
