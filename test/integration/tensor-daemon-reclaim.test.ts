import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type BuiltModel, buildModel, perceptron } from '@tetris/bench';
import type { Lease } from '@tetris/common';
import { fileSource, TestDaemon, tmpfsFolder } from '../support/daemon';
import { until } from '../support/until';

const CLI = join(__dirname, '../../tensor-daemon/dist/cli.js');

describe('tensor daemon: reclaim', () => {
  const daemon = new TestDaemon();
  const models = tmpfsFolder('tetris-models-test-');
  const built: BuiltModel[] = [];
  let held: Lease[] = [];

  beforeAll(async () => {
    // Some 2.3 MB each, about twice that in the store.
    for (let seed = 1; seed <= 4; seed++)
      built.push(await buildModel(perceptron(`m${seed}`, { hidden: 720, seed }), models));
  });
  afterEach(async () => {
    for (const lease of held) lease.release();
    held = [];
    await daemon.end();
  });
  afterAll(async () => {
    await daemon.dispose();
    rmSync(models, { recursive: true, force: true });
  });

  const lease = async (index: number): Promise<Lease> => {
    const { path = '', name = '' } = built[index] ?? {};
    const one = await daemon.client.lease({ source: fileSource(path), name });
    held.push(one);
    return one;
  };
  const names = async (): Promise<string[]> => (await daemon.operator.models()).map(({ name }) => name).sort();

  it('reclaims first when the store is full, then refuses, and recovers when a lease ends', async () => {
    await daemon.start({ modelRoots: models, storeBytesMax: '12m' });
    const first = await lease(0);
    await lease(1);
    const before = await daemon.operator.totals();
    await expect(lease(2)).rejects.toMatchObject({
      code: 'ERR_STORE_FULL',
      retriable: true,
      message: expect.stringContaining("model 'm3'"),
    });
    expect(await daemon.operator.totals()).toEqual(before);
    expect(daemon.files('scratch')).toEqual([]);
    first.release();
    await until(async () => (await daemon.operator.totals()).leases === 1);
    await lease(2);
    expect(await names()).toEqual(['m2', 'm3']);
    const { uniqueBytes, budgetBytes } = await daemon.operator.totals();
    expect(uniqueBytes).toBeLessThanOrEqual(budgetBytes);
  });

  it('lets a model go that nobody holds when its keep-alive is over', async () => {
    await daemon.start({ modelRoots: models, modelTtlMs: 100 });
    await daemon.operator.collect();
    const held = await lease(1);
    (await lease(0)).release();
    await until(async () => (await names()).join() === 'm2', 'the model that nobody holds has left');
    held.release();
    await until(async () => (await names()).length === 0, 'its keep-alive is over');
    await until(() => daemon.files('tensors').length === 0 && daemon.files('scratch').length === 0);
  });

  it('shows tensors, models, views, leases and totals to the operator, and collects', async () => {
    await daemon.start({ modelRoots: models });
    await lease(0);
    (await lease(1)).release();
    await until(async () => (await daemon.operator.totals()).leases === 1);
    const run = (...args: string[]): string =>
      execFileSync(process.execPath, [CLI, ...args], {
        env: { PATH: process.env.PATH, ...daemon.environment() },
        encoding: 'utf8',
      });
    const json = (...args: string[]): unknown => JSON.parse(run(...args, '--json'));
    expect(json('models')).toHaveLength(2);
    expect(json('leases')).toHaveLength(1);
    expect(json('views')).toHaveLength(1);
    expect(json('tensors')).toEqual(expect.arrayContaining([expect.objectContaining({ references: 1 })]));
    const totals = json('totals') as { ratio: number; uniqueBytes: number; unsharedBytes: number };
    expect(totals.ratio).toBe(1);
    for (const command of ['tensors', 'models', 'views', 'leases', 'totals']) expect(run(command)).toContain('│');
    expect(run('models')).toContain('m1');
    expect(json('collect')).toEqual([expect.objectContaining({ tensors: expect.any(Number) as number })]);
    expect(await names()).toEqual(['m1']);
    expect(() => run('totals', '--socket', '/nowhere.sock')).toThrow(/no answer from the tensor daemon/);
  });

  it('works on a folder of an ordinary file system', async () => {
    const folder = execFileSync('mktemp', ['-d', '/var/tmp/tetris-disk-XXXXXX'], { encoding: 'utf8' }).trim();
    try {
      await daemon.start({ modelRoots: models, storePath: join(folder, 'store') });
      expect((await lease(0)).warm).toBe(false);
      await daemon.end();
      await daemon.start({ modelRoots: models, storePath: join(folder, 'store') });
      expect((await lease(0)).warm).toBe(true);
    } finally {
      await daemon.end();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
