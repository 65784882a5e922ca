import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type BuiltModel, buildModel, convnet, lstm, perceptron, transformer } from '@tetris/bench';
import { type Lease, PluginError } from '@tetris/common';
import { fileSource, TestDaemon, tmpfsFolder } from '../support/daemon';
import { infer } from '../support/infer';
import { until } from '../support/until';

const SMALL = { layers: 2, hidden: 128, heads: 4, sequence: 16 };

describe('tensor daemon: sharing', () => {
  const daemon = new TestDaemon();
  const models = tmpfsFolder('tetris-models-test-');
  beforeAll(() => daemon.start({ modelRoots: `/models=${models}` }));
  afterAll(async () => {
    await daemon.dispose();
    rmSync(models, { recursive: true, force: true });
  });

  const held: Lease[] = [];
  afterEach(async () => {
    for (const each of held.splice(0)) each.release();
    await until(async () => (await daemon.operator.totals()).leases === 0, 'no lease is left');
  });

  const lease = async (model: BuiltModel, instance?: string): Promise<Lease> => {
    const source = { ...fileSource(model.path), path: join('/models', `${model.name}.onnx`) };
    const one = await daemon.client.lease({ source, name: model.name, ...(instance !== undefined && { instance }) });
    held.push(one);
    return one;
  };

  it('stores the backbone of two models once', async () => {
    const one = await lease(await buildModel(transformer('one', SMALL), models));
    const before = await daemon.operator.totals();
    const two = await lease(await buildModel(transformer('two', { ...SMALL, headSeed: 2 }), models));
    const after = await daemon.operator.totals();
    expect(one.modelKey).not.toBe(two.modelKey);
    expect(after.uniqueBytes).toBeGreaterThan(before.uniqueBytes);
    expect((after.uniqueBytes - before.uniqueBytes) / before.uniqueBytes).toBeLessThan(0.2);
    expect(after.unsharedBytes).toBe(one.tensorBytes + two.tensorBytes);
    one.release();
    two.release();
  });

  it.each([
    ['a transformer', transformer('numbers-transformer', SMALL)],
    ['a convolution net', convnet('numbers-convnet')],
    ['a recurrent net', lstm('numbers-lstm', { sequence: 'sequence' })],
    ['a perceptron', perceptron('numbers-perceptron')],
  ])('answers as stock onnxruntime does for %s, from the view', async (_what, definition) => {
    const model = await buildModel(definition, models);
    const { view } = await lease(model);
    const feeds = model.inputs(2, 7);
    const expected = Object.values(await infer(model.path, feeds))[0]?.data ?? [];
    const actual = Object.values(await infer(daemon.viewPath(view), feeds, 'disabled'))[0]?.data ?? [];
    const largest = Math.max(...expected.map(Math.abs));
    const error = Math.max(...expected.map((value, index) => Math.abs(value - (actual[index] ?? Number.NaN))));
    expect(expected.length).toBeGreaterThan(0);
    expect(error / largest).toBeLessThan(1e-5);
  });

  it('gives the same key to a model that comes by path and by upload', async () => {
    const model = await buildModel(perceptron('both-ways', { seed: 3 }), models);
    const byPath = await lease(model);
    const wanted = { kind: 'digest', sha256: 'f'.repeat(64) } as const;
    await expect(daemon.client.lease({ source: wanted })).rejects.toMatchObject({ code: 'ERR_MODEL_UNKNOWN' });
    const { sha256, bytes } = await daemon.client.upload(readFileSync(model.path));
    expect(bytes).toBe(model.bytes);
    const byDigest = await daemon.client.lease({ source: { kind: 'digest', sha256 } });
    expect(byDigest).toMatchObject({ modelKey: byPath.modelKey, warm: true });
    byPath.release();
    byDigest.release();
  });

  it('ingests once when many ask for a model at the same time', async () => {
    const model = await buildModel(perceptron('crowd', { seed: 4 }), models);
    const leases = await Promise.all(Array.from({ length: 20 }, () => lease(model)));
    await daemon.logged({ crowd: 1 });
    const ingests = daemon.said.split('\n').filter((line) => line.includes('model ingested') && line.includes('crowd'));
    expect(ingests).toHaveLength(1);
    expect(new Set(leases.map(({ modelKey }) => modelKey)).size).toBe(1);
    const rows = (await daemon.operator.leases()).filter(({ name }) => name === 'crowd');
    expect(rows).toHaveLength(20);
  });

  it('keeps a view that two leases of one instance share until both have ended', async () => {
    const model = await buildModel(perceptron('twice', { seed: 5 }), models);
    const token = 'instance-twice-0000';
    const view = await daemon.operator.registerInstance(token, { namespace: 'guest' });
    const [one, two] = [await lease(model, token), await lease(model, token)];
    expect(one.view).toBe(two.view);
    one.release();
    await until(async () => (await daemon.operator.totals()).leases === 1);
    expect((await daemon.operator.instance(token)).models).toHaveLength(1);
    await daemon.operator.releaseInstance(token);
    await two.ended;
    expect(daemon.files('views')).not.toContain(token);
    expect(view.viewPath).toContain(token);
    await daemon.operator.releaseInstance(token);
  });

  it('tells the inventory as snapshot and deltas', async () => {
    const first = await daemon.operator.inventory();
    if (!('snapshot' in first)) throw new Error('expected a snapshot');
    const { sequence } = first.snapshot;
    await lease(await buildModel(perceptron('news', { seed: 6 }), models));
    const next = await daemon.operator.inventory(sequence);
    if (!('deltas' in next)) throw new Error('expected deltas');
    expect(next.sequence).toBe(sequence + next.deltas.length);
    expect(next.deltas.flatMap(({ added }) => added).length).toBeGreaterThan(0);
    expect('snapshot' in (await daemon.operator.inventory(sequence + 1_000))).toBe(true);
  });

  it('matches link counts with leases, and collects what nobody holds', async () => {
    const model = await buildModel(perceptron('counted', { seed: 8 }), models);
    const leases = await Promise.all([lease(model), lease(model), lease(model)]);
    for (const { sha256, references } of await daemon.operator.tensors()) {
      expect(daemon.links().get(sha256)).toBe(references + 1);
    }
    expect(Math.max(...daemon.links().values())).toBe(4);
    for (const each of leases) each.release();
    await until(async () => (await daemon.operator.totals()).leases === 0);
    const freed = await daemon.operator.collect();
    expect(freed.tensors).toBeGreaterThan(0);
    expect(daemon.files('tensors')).toEqual([]);
    expect(await daemon.operator.totals()).toMatchObject({ models: 0, tensors: 0, uniqueBytes: 0 });
  });

  it('bad call: a malformed request is refused with every problem named', async () => {
    const source = { kind: 'file', path: 1 } as never;
    await expect(daemon.client.lease({ source })).rejects.toMatchObject({ code: 'ERR_BAD_REQUEST' });
    await expect(daemon.operator.instance('instance-unknown-0')).rejects.toBeInstanceOf(PluginError);
  });
});
