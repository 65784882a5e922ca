/**
 * Models of every kind in unmodified action code: the answers of stock onnxruntime, and whether they came from shared
 * tensors.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildModel, convnet, feedsOf, lstm, perceptron } from '@tetris/bench';
import type { ModelProto } from '@tetris/onnx-format/messages';
import { TestDaemon } from '../support/daemon';
import { expectClose, onStock, probeFeeds, probeInstance, type Report } from '../support/probe';
import type { RuntimeProcess } from '../support/runtime';
import { manyTensors, sparse, UNUSUAL_MODELS, hidden, writeExternal, writeModelProto } from '../support/unusual-models';
import { until } from '../support/until';

const root = mkdtempSync(path.join(tmpdir(), 'models-'));
const daemon = new TestDaemon();
let runtime: RuntimeProcess;
let probe: (argument: object) => Promise<Report>;

beforeAll(async () => {
  await daemon.start({ modelRoots: root, tensorBytesMin: 256 });
  ({ runtime, probe } = await probeInstance({
    ...daemon.instanceEnvironment(root),
  }));
});
afterAll(async () => {
  await runtime.stop();
  await daemon.dispose();
  rmSync(root, { recursive: true, force: true });
});

/** Numbers that a branch on their sum takes both ways. */
const calls = [1, 2, 3].map((seed) => ({
  feeds: probeFeeds(feedsOf([{ name: 'x', type: 'float32', dims: ['batch', 64], bound: 1 }], 3, seed)),
}));

const written = (name: string, proto: ModelProto): string => {
  const model = path.join(root, `${name.replace(/\W+/g, '-')}.onnx`);
  writeModelProto(model, proto);
  return model;
};

const leases = async () => daemon.operator.leases();
const noLease = () => until(async () => (await leases()).length === 0, 'the session has given its lease back');

/** Runs a model in the instance and on stock onnxruntime. @returns the leases that it held meanwhile */
async function compare(model: string, options?: object) {
  const argument = { model, calls, ...(options !== undefined && { options }) };
  const [actual, expected] = [await probe({ ...argument, keep: true }), await onStock({ ...argument, keep: true })];
  expect(actual.create).toBeUndefined();
  expectClose(actual, expected);
  const held = (await leases()).filter(({ name }) => name === model);
  return { held, tensors: (await daemon.operator.models()).find(({ name }) => name === model)?.tensors ?? 0 };
}

describe('a model', () => {
  const kinds = { ...UNUSUAL_MODELS, '500 tensors': { make: () => manyTensors(500), shared: true } };

  it.each(Object.entries(kinds))('answers as on stock onnxruntime: %s', async (name, { make, shared }) => {
    const { held, tensors } = await compare(written(name, make()));
    expect(held).toHaveLength(1);
    if (shared) expect(tensors).toBeGreaterThan(0);
  });

  it('answers as on stock onnxruntime: weights in a file beside it', async () => {
    const { held, tensors } = await compare(writeExternal(root, 'external'));
    expect([held.length, tensors]).toEqual([1, 1]);
  });

  it.each([
    ['sparse', sparse, /sparse\.onnx is loaded privately: .*onnxruntime cannot save it/],
    ['hidden', hidden, /hidden\.onnx is loaded privately: .*initializer 'w' of a sub-graph hides/],
  ] as const)(
    'that cannot be shared answers all the same, from a private session, and the log says why: %s',
    async (name, make, reason) => {
      const { held } = await compare(written(name, make()));
      expect(held).toEqual([]);
      expect(runtime.stderr).toMatch(reason);
    },
  );
});

describe('session options', () => {
  it.each([
    ['freeDimensionOverrides', { freeDimensionOverrides: { batch: 3 } }],
    ['graphOptimizationLevel', { graphOptimizationLevel: 'basic' }],
    ['no optimization', { graphOptimizationLevel: 'disabled' }],
    ['threads, arena, memory pattern', { intraOpNumThreads: 2, enableCpuMemArena: false, enableMemPattern: true }],
    ['execution mode', { executionMode: 'parallel', interOpNumThreads: 2 }],
    ['the cpu provider', { executionProviders: ['cpu'] }],
    ['entries of run time', { extra: { session: { set_denormal_as_zero: '1' } } }],
  ])('are honoured by shared sessions: %s', async (name, options) => {
    const { held } = await compare(written(`options-${name}`, kind('int8, dynamic')), options);
    expect(held).toHaveLength(1);
  });

  it.each([
    ['an entry that may change the graph', { extra: { session: { disable_prepacking: '1' } } }],
    ['a file for the optimized model', { optimizedModelFilePath: path.join(root, 'saved.onnx') }],
  ])('that belong to one session are honoured by a private one, and the log says why: %s', async (name, options) => {
    const model = written(`private-${name}`, kind('int8, dynamic'));
    const { held } = await compare(model, options);
    expect(held).toEqual([]);
    expect(runtime.stderr).toMatch(new RegExp(`${path.basename(model)} is loaded privately: session`));
  });

  const kind = (name: string): ModelProto => {
    const found = UNUSUAL_MODELS[name];
    if (found === undefined) throw new Error(`there is no model '${name}'`);
    return found.make();
  };
});

describe('an action with several models', () => {
  const definitions = [perceptron('several-a'), perceptron('several-b', { seed: 2 }), convnet('c'), lstm('d')];

  it('has a lease for each, one for a model that it loads twice, and right answers from all at the same time', async () => {
    const own = await probeInstance({
      ...daemon.instanceEnvironment(root),
    });
    try {
      const models = await Promise.all(definitions.map((definition) => buildModel(definition, root)));
      const wanted = [...models, ...models].map((model, seed) => ({
        model: model.path,
        calls: [{ feeds: probeFeeds(model.inputs(2, seed)) }],
        keep: true,
      }));
      const reports = await Promise.all(wanted.map((argument) => own.probe(argument)));
      for (const [index, argument] of wanted.entries()) {
        expectClose(reports[index] ?? { inputNames: [], calls: [] }, await onStock(argument));
      }
      const paths = new Set(models.map(({ path: model }) => model));
      const held = (await leases()).filter(({ name }) => paths.has(name));
      expect(held.map(({ name }) => name).sort()).toEqual([...paths].sort());
      expect(new Set(held.map(({ instance }) => instance)).size).toBe(held.length);
    } finally {
      await own.runtime.stop();
    }
  });

  it('gives all back when its instance ends', async () => {
    await runtime.stop();
    await noLease();
    await until(() => daemon.files('views').length === 0, 'no view is left');
  });
});
