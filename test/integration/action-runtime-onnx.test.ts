/** Unmodified onnxruntime code in the action runtime against the same code on the real package. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { buildModel, convnet, type BuiltModel, perceptron, textCnn, transformer } from '@tetris/bench';
import { TestDaemon } from '../support/daemon';
import { writeIdentityModel } from '../support/onnx-models';
import { type CallReport, expectClose, onStock, probeFeeds, probeInstance, type Report } from '../support/probe';
import type { RuntimeProcess } from '../support/runtime';
import { until } from '../support/until';

const root = mkdtempSync(path.join(tmpdir(), 'models-'));
const typed = path.join(root, 'typed.onnx');
const daemon = new TestDaemon();
let models: Record<'perceptron' | 'transformer' | 'convnet' | 'textCnn', BuiltModel>;

beforeAll(async () => {
  models = {
    perceptron: await buildModel(perceptron('perceptron'), root),
    transformer: await buildModel(transformer('transformer', { layers: 2, hidden: 192, heads: 4 }), root),
    convnet: await buildModel(convnet('convnet'), root),
    textCnn: await buildModel(textCnn('text-cnn', { vocabulary: 500 }), root),
  };
  await writeIdentityModel(typed, [
    'FLOAT',
    'DOUBLE',
    'FLOAT16',
    'INT8',
    'UINT8',
    'BOOL',
    'INT32',
    'INT64',
    'UINT64',
    'STRING',
  ]);
  await daemon.start({ modelRoots: root });
});
afterAll(async () => {
  await daemon.dispose();
  rmSync(root, { recursive: true, force: true });
});

const shared = (): Record<string, string> => ({
  ...daemon.instanceEnvironment(root),
});
const alone = (): Record<string, string> => ({ TETRIS_RUNTIME_MODEL_ROOTS: root });

const feedsOf = (model: BuiltModel, batch: number, seed: number) => probeFeeds(model.inputs(batch, seed));

/** Every session answers first from one without packed weights. */
const quick = (): Record<string, string> => ({ ...shared(), TETRIS_RUNTIME_QUICK_BYTES_MIN: '1' });

const MODES = [
  ['shared', shared],
  ['quick', quick],
  ['private', alone],
] as const;

describe.each(MODES)('%s sessions', (mode, env) => {
  let runtime: RuntimeProcess;
  let probe: (argument: object) => Promise<Report>;
  beforeAll(async () => {
    ({ runtime, probe } = await probeInstance(env()));
  });
  afterAll(() => runtime.stop());

  it.each(['perceptron', 'transformer', 'convnet', 'textCnn'] as const)(
    'give the results of stock onnxruntime for the %s, at several batch sizes',
    async (which) => {
      const model = models[which];
      const calls = [1, 4, 3].map((batch, seed) => ({ feeds: feedsOf(model, batch, seed) }));
      const argument = { model: model.path, calls };
      const report = await probe(argument);
      expectClose(report, await onStock(argument));
      for (const call of report.calls) expect(call).toMatchObject({ feedsIntact: true, classes: true });
    },
  );

  it('carry every type of tensor, an empty batch too', async () => {
    const types = {
      float: 'float32',
      double: 'float64',
      float16: 'float16',
      int8: 'int8',
      uint8: 'uint8',
      bool: 'bool',
      int32: 'int32',
      int64: 'int64',
      uint64: 'uint64',
    };
    const feeds = (batch: number) => ({
      ...Object.fromEntries(
        Object.entries(types).map(([name, type]) => [
          name,
          { type, dims: [batch, 2], data: Array.from({ length: batch * 2 }, (_, index) => index % 2) },
        ]),
      ),
      string: { type: 'string', dims: [batch, 2], data: Array.from({ length: batch * 2 }, (_, index) => `ü${index}`) },
    });
    const argument = { model: typed, calls: [{ feeds: feeds(3) }, { feeds: feeds(0) }] };
    expect(await probe(argument)).toEqual(await onStock(argument));
  });

  it('bad call: give the errors of stock onnxruntime, and go on', async () => {
    const good = { type: 'float32', dims: [1, 64], data: Array<number>(64).fill(0.5) };
    const output = { type: 'float32', dims: [1, 10], data: Array<number>(10).fill(0) };
    const feeds = { features: good };
    const calls = [
      { feeds },
      { feeds: {} },
      { feeds: null },
      { feeds: { notAnObject: 5 } },
      { feeds: { notAnObject: [1] } },
      { feeds: { features: null } },
      { feeds: { features: { plain: 5 } } },
      { feeds: { features: { plain: 'text' } } },
      { feeds: { features: { duck: good } } },
      { feeds: { features: { ...good, dims: [64] } } },
      { feeds: { features: { ...good, dims: [2, 32] } } },
      { feeds: { features: { ...good, type: 'int32' } } },
      { feeds: { features: { type: 'string', dims: [1, 64], data: Array<string>(64).fill('x') } } },
      { feeds: { features: good, unknown: good } },
      { feeds, rest: [['logits']] },
      { feeds, rest: [['no-such-output']] },
      { feeds, rest: [[]] },
      { feeds, rest: [[1]] },
      { feeds, rest: [null] },
      { feeds, rest: ['text'] },
      { feeds, rest: [['logits'], 'text'] },
      { feeds, rest: [['logits'], { tag: 'mine', logSeverityLevel: 3 }] },
      { feeds, rest: [{ tag: 'mine' }] },
      { feeds, rest: [{ tag: 5 }] },
      { feeds, rest: [{ fetches: { logits: null } }] },
      { feeds, rest: [{ fetches: { logits: output } }], fill: 'logits' },
      { feeds, rest: [{ fetches: { logits: { ...output, dims: [10, 1] } } }] },
      { feeds, rest: [{ fetches: { logits: { ...output, type: 'int32' } } }] },
      { feeds },
    ];
    const argument = { model: models.perceptron.path, calls, releases: 2 };
    expectClose(await probe(argument), await onStock(argument));
  });

  it('bad call: refuse a feed that cannot be sent to a worker, and go on', async () => {
    const good = { type: 'float32', dims: [1, 64], data: Array<number>(64).fill(0.5) };
    const calls = [{ feeds: { features: { callable: true } } }, { feeds: { features: good } }];
    const report = await probe({ model: models.perceptron.path, calls });
    expect(report.calls[0]).toHaveProperty('failed');
    expect(report.calls[1]).toHaveProperty('results');
  });

  it.each(['url', 'buffer', 'array', 'slice'])('take the model as %s', async (as) => {
    const calls = [{ feeds: feedsOf(models.perceptron, 2, 7) }];
    const report = await probe({ model: models.perceptron.path, as, calls });
    expectClose(report, await onStock({ model: models.perceptron.path, calls }));
  });

  it('run side by side without mixing results up', async () => {
    const seeds = Array.from({ length: 24 }, (_, seed) => seed);
    const argument = (seed: number) => ({
      model: models.perceptron.path,
      calls: [{ feeds: feedsOf(models.perceptron, 1 + (seed % 3), seed) }],
    });
    const reports = await Promise.all(seeds.map((seed) => probe(argument(seed))));
    const expected = await onStock({
      model: models.perceptron.path,
      calls: seeds.map((seed) => argument(seed).calls[0]),
    });
    reports.forEach((report, index) => {
      const call = expected.calls[index];
      if (call !== undefined) expectClose(report, { ...expected, ...report, calls: [call] });
    });
  });

  it('bad call: say why a URL cannot be fetched, and go on', async () => {
    expect(await probe({ model: 'https://models.example/a.onnx' })).toMatchObject({
      create: { failed: 'Error', code: 'ERR_MODEL_SOURCE_UNKNOWN' },
    });
    expect((await probe({ model: models.perceptron.path })).create).toBeUndefined();
    expect(runtime.alive).toBe(true);
  });

  it(mode === 'private' ? 'are announced by one warning' : 'need no warning', () => {
    const lines = runtime.stderr.split('\n').filter((line) => line.startsWith('tetris:'));
    expect(lines).toEqual(
      mode === 'private' ? ['tetris: models are loaded privately: no tensor daemon is configured (no-daemon)'] : [],
    );
  });
});

describe('leases', () => {
  let runtime: RuntimeProcess;
  let probe: (argument: object) => Promise<Report>;
  const held = async (): Promise<number> => (await daemon.operator.leases()).length;
  beforeEach(async () => {
    await until(async () => (await held()) === 0, 'no lease is left over');
    ({ runtime, probe } = await probeInstance(shared(), { 'own.onnx': readFileSync(models.convnet.path) }));
  });
  afterEach(() => runtime.stop());

  it('are one per model, whoever loads it how often, and end with the last session', async () => {
    await Promise.all([1, 2, 3].map(() => probe({ model: models.perceptron.path, keep: true })));
    expect(await held()).toBe(1);
    await probe({ model: models.perceptron.path });
    expect(await held()).toBe(1);
    await probe({ reuse: true });
    await probe({ model: models.transformer.path });
    await until(async () => (await held()) === 1, 'the transformer is given back');
  });

  it('end when the instance is killed', async () => {
    await probe({ model: models.perceptron.path, keep: true });
    expect(await held()).toBe(1);
    await runtime.stop();
    await until(async () => (await held()) === 0, 'the lease ends');
  });

  it("share a model of the action's own folder, sent once by its digest", async () => {
    const calls = [{ feeds: feedsOf(models.convnet, 1, 3) }];
    const report = await probe({ model: './own.onnx', calls, keep: true });
    expectClose(report, await onStock({ model: models.convnet.path, calls, keep: true }));
    const rows = await daemon.operator.leases();
    expect(rows.map(({ name }) => name)).toEqual(['./own.onnx']);
    const second = await probeInstance(shared(), { 'own.onnx': readFileSync(models.convnet.path) });
    await second.probe({ model: './own.onnx', keep: true });
    const [first, other] = await daemon.operator.leases();
    expect(other?.modelKey).toBe(first?.modelKey);
    await second.runtime.stop();
  });

  it('are not taken for options that belong to one session, and the log says why', async () => {
    const profile = path.join(runtime.folder, 'profile');
    const options = { enableProfiling: true, profileFilePrefix: profile };
    const calls = [{ feeds: feedsOf(models.perceptron, 1, 1) }];
    const report = await probe({ model: models.perceptron.path, options, calls });
    expect(report.calls[0]).toHaveProperty('results');
    expect(await held()).toBe(0);
    expect(runtime.stderr).toMatch(/tetris: .*perceptron\.onnx is loaded privately: session option 'enableProfiling'/);
    expect(readdirSync(runtime.folder).filter((name) => name.startsWith('profile'))).toHaveLength(1);
  });

  it('give way to private sessions when the daemon is gone, while loaded sessions go on', async () => {
    const calls = [{ feeds: feedsOf(models.perceptron, 1, 1) }];
    await probe({ model: models.perceptron.path, calls, keep: true });
    await daemon.end('SIGKILL');
    try {
      expect((await probe({ reuse: true, keep: true, calls })).calls[0]).toHaveProperty('results');
      const report = await probe({
        model: models.transformer.path,
        calls: [{ feeds: feedsOf(models.transformer, 1, 1) }],
      });
      expect(report.calls[0]).toHaveProperty('results');
      expect(runtime.stderr).toMatch(
        /tetris: .*transformer\.onnx is loaded privately: no answer from the tensor daemon/,
      );
    } finally {
      await daemon.start({ modelRoots: root });
    }
    await until(async () => (await held()) === 1, 'the held model is leased again');
  });
});

describe('inference workers', () => {
  it('serve a model in each of several, with one lease', async () => {
    const { runtime, probe } = await probeInstance(shared(), {}, { workers: 2 });
    await probe({ model: models.transformer.path, keep: true });
    const calls = Array.from({ length: 4 }, (_, seed) => ({ feeds: feedsOf(models.transformer, 1, seed) }));
    const reports = await Promise.all(calls.map((call) => probe({ reuse: true, keep: true, calls: [call] })));
    const expected = await onStock({ model: models.transformer.path, calls });
    expectClose({ ...expected, calls: reports.map(({ calls: [call] }) => call as CallReport) }, expected);
    await runtime.stop();
  });

  it('expected failure: one that runs out of heap fails its own request, and is replaced', async () => {
    const env = { ...shared(), TETRIS_RUNTIME_WORKER_HEAP_MAX: '24' };
    const { runtime, probe } = await probeInstance(env, {
      'index.js': `const ort = require('onnxruntime-node');
        let typed, perceptron;
        exports.main = async ({ typedPath, perceptronPath, texts }) => {
          perceptron ??= await ort.InferenceSession.create(perceptronPath);
          typed ??= await ort.InferenceSession.create(typedPath);
          const failed = ({ code, message }) => ({ code, message });
          if (texts > 0) {
            const zeros = (type, array) => new ort.Tensor(type, array, [texts, 2]);
            const n = texts * 2;
            return typed.run({
              float: zeros('float32', new Float32Array(n)), double: zeros('float64', new Float64Array(n)),
              float16: zeros('float16', new Uint16Array(n)), int8: zeros('int8', new Int8Array(n)),
              uint8: zeros('uint8', new Uint8Array(n)), bool: zeros('bool', new Uint8Array(n)),
              int32: zeros('int32', new Int32Array(n)), int64: zeros('int64', new BigInt64Array(n)),
              uint64: zeros('uint64', new BigUint64Array(n)),
              string: zeros('string', Array.from({ length: n }, (_, i) => 'a text of its own, number ' + i)),
            }).then(() => ({}), failed);
          }
          const { logits } = await perceptron.run({ features: new ort.Tensor('float32', new Float32Array(64), [1, 64]) });
          return { dims: logits.dims };
        };`,
    });
    const run = (texts: number) => runtime.run({ typedPath: typed, perceptronPath: models.perceptron.path, texts });
    expect((await run(0)).body).toEqual({ dims: [1, 10] });
    expect((await run(600_000)).body).toMatchObject({ code: 'ERR_WORKER_FAILED' });
    expect((await run(0)).body).toEqual({ dims: [1, 10] });
    expect(probe).toBeDefined();
    await runtime.stop();
  });
});

describe('two-phase load', () => {
  it('answers before and after the final session takes over, while sessions come and go', async () => {
    const { runtime, probe } = await probeInstance(quick(), {}, { workers: 2, batch: 4, batchWaitMs: 5 });
    const argument = (seed: number) => ({
      model: models.transformer.path,
      calls: [{ feeds: feedsOf(models.transformer, 1 + (seed % 2), seed) }],
    });
    const seeds = Array.from({ length: 12 }, (_, seed) => seed);
    await probe({ model: models.transformer.path, keep: true });
    const reports = await Promise.all(
      seeds.map((seed) => probe(seed % 3 === 0 ? argument(seed) : { ...argument(seed), reuse: true, keep: true })),
    );
    const calls = seeds.map((seed) => argument(seed).calls[0]);
    const expected = await onStock({ model: models.transformer.path, calls });
    const given = reports.map((report) => report.calls[0] as CallReport);
    expectClose({ ...expected, calls: given }, expected);
    const threads = (): number => readdirSync(`/proc/${runtime.pid}/task`).length;
    let before = threads();
    await until(() => before === (before = threads()), 'no worker comes or goes');
    await probe({ reuse: true, keep: true, calls });
    expect(runtime.alive).toBe(true);
    await runtime.stop();
  });
});

describe('an abort of the native library', () => {
  it('expected failure: ends its instance and activations; others, and the store, do not notice', async () => {
    await until(async () => (await daemon.operator.leases()).length === 0, 'no lease is left over');
    const aborting = await probeInstance(shared());
    const other = await probeInstance(shared());
    const calls = Array.from({ length: 20 }, (_, seed) => ({ feeds: feedsOf(models.transformer, 1, seed) }));
    for (const { probe } of [aborting, other]) await probe({ model: models.transformer.path, keep: true });
    expect(await daemon.operator.leases()).toHaveLength(2);
    const lost = aborting.runtime.run({ reuse: true, keep: true, calls });
    const kept = other.probe({ reuse: true, keep: true, calls });
    process.kill(aborting.runtime.pid, 'SIGABRT');
    await expect(lost).rejects.toThrow();
    for (const call of (await kept).calls) expect(call).toHaveProperty('results');
    await until(async () => (await daemon.operator.leases()).length === 1, 'its lease ends');
    expect(aborting.runtime.alive).toBe(false);
    for (const { runtime } of [aborting, other]) await runtime.stop();
  });
});

describe('interception', () => {
  const library = {
    'node_modules/cjs-library/index.js': "exports.ort = require('onnxruntime-node');",
    'node_modules/esm-library/package.json': '{"name":"esm-library","type":"module","main":"index.js"}',
    'node_modules/esm-library/index.js':
      "import * as all from 'onnxruntime-node'; export const ort = all.default ?? all; export { InferenceSession } from 'onnxruntime-node';",
  };
  const copy = (folder: string) => ({
    [`${folder}/package.json`]: '{"name":"onnxruntime-node","version":"1.17.0","main":"dist/index.js"}',
    [`${folder}/dist/index.js`]: "exports.InferenceSession = 'copy'; exports.Tensor = 'copy';",
  });
  const body = (get: string) => `
    ${get}
    const same = ort.InferenceSession === cjs.InferenceSession && ort.InferenceSession === esm.InferenceSession && ort.InferenceSession === named;
    const session = await ort.InferenceSession.create(model);
    const results = await session.run({ features: new ort.Tensor('float32', new Float32Array(64), [1, 64]) });
    return { same, dims: results.logits.dims };`;
  const commonjs = `exports.main = async ({ model }) => {
    const ort = require('onnxruntime-node');
    const cjs = require('cjs-library').ort;
    const { ort: esm, InferenceSession: named } = await import('esm-library');
    ${body('')} };`;
  const module = `import ort from 'onnxruntime-node'; import lib from 'cjs-library'; import { ort as esm, InferenceSession as named } from 'esm-library';
    const cjs = lib.ort;
    export const main = async ({ model }) => { ${body('')} };`;

  it.each([
    ['a CommonJS action without a copy', { 'index.js': commonjs }],
    ['a CommonJS action with a copy', { 'index.js': commonjs, ...copy('node_modules/onnxruntime-node') }],
    [
      'libraries with copies of their own',
      {
        'index.js': commonjs,
        ...copy('node_modules/cjs-library/node_modules/onnxruntime-node'),
        ...copy('node_modules/esm-library/node_modules/onnxruntime-node'),
      },
    ],
    ['an ES module without a copy', { 'index.mjs': module, 'package.json': '{"main":"index.mjs"}' }],
    [
      'an ES module with a copy',
      { 'index.mjs': module, 'package.json': '{"main":"index.mjs"}', ...copy('node_modules/onnxruntime-node') },
    ],
    [
      'an ES module that awaits while it loads, with a copy',
      {
        'index.mjs': `await 1; ${module}`,
        'package.json': '{"main":"index.mjs"}',
        ...copy('node_modules/onnxruntime-node'),
      },
    ],
  ])('reaches %s', async (_what, files: Record<string, string>) => {
    const { runtime } = await probeInstance(shared(), { ...library, ...files });
    const reply = await runtime.run({ model: models.perceptron.path });
    expect(reply.body).toEqual({ same: true, dims: [1, 10] });
    await runtime.stop();
  });

  it('leaves a thread that user code starts with the real package', async () => {
    const code = `const { Worker } = require('worker_threads');
      exports.main = ({ model }) => new Promise((resolve, reject) => {
        const source = "const ort = require('onnxruntime-node'); const { parentPort, workerData } = require('worker_threads');" +
          "ort.InferenceSession.create(workerData).then((s) => parentPort.postMessage({ names: s.inputNames }));";
        const worker = new Worker('./thread.js', { workerData: model });
        worker.once('message', resolve).once('error', reject);
      });`;
    const thread =
      "const ort = require('onnxruntime-node'); const { parentPort, workerData } = require('worker_threads');" +
      'ort.InferenceSession.create(workerData).then((s) => parentPort.postMessage({ names: s.inputNames }));';
    const { runtime } = await probeInstance(shared(), { 'index.js': code, 'thread.js': thread });
    expect((await runtime.run({ model: models.perceptron.path })).body).toEqual({ names: ['features'] });
    await runtime.stop();
  });

  it('mirrors what the real package exports', async () => {
    const code = `exports.main = () => { const ort = require('onnxruntime-node');
      return { names: Object.keys(ort).sort(), backends: ort.listSupportedBackends(), versions: { ...ort.env.versions } }; };`;
    const { runtime } = await probeInstance(shared(), { 'index.js': code });
    const script =
      code.replace('exports.main = () =>', 'const main = () =>') + 'process.stdout.write(JSON.stringify(main()))';
    const stock = await promisify(execFile)(process.execPath, ['-e', script], { cwd: __dirname });
    expect((await runtime.run({})).body).toEqual(JSON.parse(stock.stdout));
    await runtime.stop();
  });
});

it('bad call: a file that shrinks between two loads is an error, never a crash', async () => {
  const file = path.join(root, 'shrinking.onnx');
  writeFileSync(file, readFileSync(models.convnet.path));
  const { runtime, probe } = await probeInstance(shared());
  await probe({ model: file });
  truncateSync(file, 100);
  expect(await probe({ model: file })).toHaveProperty('create.message');
  expect(runtime.alive).toBe(true);
  await runtime.stop();
});
