/** Concurrent activations whose inference is joined: every answer is its own, whatever the others send. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildModel, type ModelDefinition } from '@tetris/bench';
import { masked, mixing, oneAtATime, summing, tagging } from '../support/batching-models';
import { randomFrom, testSeed } from '../support/random';
import { RuntimeProcess, type RuntimeReply } from '../support/runtime';

const root = mkdtempSync(path.join(tmpdir(), 'batching-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/**
 * One session; each activation feeds `dims` filled with `tag` (or bad values) and tells what came back: its shape, its
 * distinct values, and how long the buffer behind it is.
 */
const CODE = `const ort = require('onnxruntime-node');
  let loading;
  async function main({ model, dims, tag, bad, keeps }) {
    if (tag === undefined) return { ready: (await (loading ??= ort.InferenceSession.create(model))).inputNames };
    const session = await loading;
    const data = new Float32Array(dims.reduce((product, size) => product * size, 1)).fill(tag ?? NaN);
    const feeds = { x: new ort.Tensor('float32', data, dims) };
    if (session.inputNames.includes('attention_mask')) {
      feeds.attention_mask = new ort.Tensor('int64', new BigInt64Array(data.length).fill(1n), dims);
    }
    if (bad === 'type') feeds.x = new ort.Tensor('int32', Int32Array.from(data), dims);
    if (bad === 'shape') feeds.x = new ort.Tensor('float32', data, [1, ...dims]);
    if (bad === 'name') { feeds.z = feeds.x; delete feeds.x; }
    if (bad === 'value') feeds.x = { not: 'a tensor' };
    const running = session.run(feeds);
    if (!keeps) data.fill(12345);
    const { y, pooled } = await running;
    if (pooled) return { dims: y.dims, values: [...new Set(y.data)].map(String), pooled: [...pooled.data] };
    return { dims: y.dims, values: [...new Set(y.data)].map(String), bytes: y.data.buffer.byteLength };
  }`;

interface Call {
  dims: number[];
  /** null stands for NaN. */
  tag: number | null;
  bad?: 'type' | 'shape' | 'name' | 'value';
  /** The fed memory is left as it is until the run has ended, as stock demands. */
  keeps?: true;
}

let runtime: RuntimeProcess | undefined;
afterEach(() => runtime?.stop());

/** An instance that has the model loaded and joins up to eight rows. */
async function start(
  model: ModelDefinition,
  tetris: object = {},
  env: Record<string, string> = {},
): Promise<RuntimeProcess> {
  const { path: file } = await buildModel(model, root);
  runtime = await RuntimeProcess.start({ __OW_ALLOW_CONCURRENT: 'true', TETRIS_RUNTIME_MODEL_ROOTS: root, ...env });
  const settings = { batch: 8, batchWaitMs: 20, ...tetris };
  expect(await runtime.init({ code: CODE, tetris: settings })).toMatchObject({ status: 200 });
  expect((await runtime.run({ model: file })).body).toEqual({ ready: model.inputs.map(({ name }) => name) });
  return runtime;
}

const all = (calls: readonly Call[]): Promise<RuntimeReply[]> =>
  Promise.all(calls.map((call) => (runtime as RuntimeProcess).run(call)));

/** What the tagging model says to a call by itself. */
function expectOwn({ dims, tag, bad }: Call, { body }: RuntimeReply): void {
  if (bad !== undefined) expect(body).toHaveProperty('error.message');
  else {
    const count = dims.reduce((product, size) => product * size, 1);
    const values = count === 0 ? [] : [tag === null ? 'NaN' : String(3 * tag)];
    expect(body).toEqual({ dims, values, bytes: 4 * count });
  }
}

/** Nobody is told that batching was switched off. */
const noticed = (): string[] => (runtime?.stderr ?? '').split('\n').filter((line) => line.includes('not batched'));

it('gives every request its own answer, whatever comes with it', async () => {
  const random = randomFrom(testSeed());
  await start(tagging(), { workers: 2 });
  const bads = ['type', 'shape', 'name', 'value'] as const;
  for (let round = 0; round < 8; round += 1) {
    const calls = Array.from({ length: 40 }, (_, index): Call => {
      const bad = random(10) === 0 ? bads[random(4)] : undefined;
      const tag = random(20) === 0 ? null : 40 * round + index;
      return {
        dims: [random(12) === 0 ? 0 : 1 + random(3), 4 + random(2)],
        tag,
        ...(bad === undefined ? {} : { bad }),
      };
    });
    const replies = await all(calls);
    replies.forEach((reply, index) => expectOwn(calls[index] as Call, reply));
  }
  expect(noticed()).toEqual([]);
});

it('tells how many were executed together, once for each execution, and nothing of those that were checked', async () => {
  await start(tagging());
  const calls = Array.from({ length: 12 }, (_, tag): Call => ({ dims: [1, 4], tag }));
  const together = async (): Promise<number[]> =>
    (await all(calls)).map(({ headers }) => {
      expect(headers['x-tetris-inference']).toMatch(/^\d+,\d+,\d+,\d+$/);
      return Number(String(headers['x-tetris-inference']).split(',')[1]);
    });
  const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
  // Who arrives together is up to the machine: rounds until one was checked, then until one was executed together.
  const until = async (found: (counts: readonly number[]) => boolean): Promise<readonly number[]> => {
    for (let round = 0; round < 50; round += 1) {
      const counts = await together();
      if (found(counts)) return counts;
    }
    throw new Error('no round of 50 was as expected');
  };
  await until((counts) => sum(counts) < 12);
  const counts = await until((counts) => Math.max(...counts) > 1);
  expect(sum(counts)).toBe(12);
});

it('joins tensors of 20 MB', async () => {
  await start(tagging());
  const calls = Array.from({ length: 4 }, (_, index): Call => ({ dims: [1, 5_000_000], tag: index }));
  (await all(calls)).forEach((reply, index) => expectOwn(calls[index] as Call, reply));
});

it('finds out that a model mixes its requests, answers each as if alone, and says so once', async () => {
  await start(mixing());
  for (let round = 0; round < 3; round += 1) {
    const replies = await all(Array.from({ length: 12 }, (_, tag): Call => ({ dims: [1, 4], tag })));
    for (const { body } of replies) expect(body).toMatchObject({ dims: [1, 4], values: ['0'] });
  }
  expect(noticed()).toHaveLength(1);
  expect(noticed()[0]).toMatch(/runs of .*mixing\.onnx are not batched: run alone, output 'y' has other values/);
});

it('finds out that a model takes one at a time, and answers all', async () => {
  await start(oneAtATime());
  for (let round = 0; round < 2; round += 1) {
    const replies = await all(Array.from({ length: 12 }, (_, tag): Call => ({ dims: [1, 8], tag })));
    replies.forEach(({ body }, tag) => expect(body).toEqual({ dims: [1, 8], values: [String(4 * tag)], bytes: 32 }));
  }
  expect(noticed()).toHaveLength(1);
});

it('never joins what has no batch axis in its results', async () => {
  await start(summing());
  const replies = await all(Array.from({ length: 12 }, (_, tag): Call => ({ dims: [1, 8], tag })));
  replies.forEach(({ body }, tag) => expect(body).toMatchObject({ dims: [], values: [String(8 * tag)] }));
  expect(noticed()).toEqual([]);
});

it('expected failure: an activation whose time is up before a worker is free gets an error, the others their answers', async () => {
  const instance = await start(tagging());
  const call = { dims: [1, 4], tag: 5 };
  const late = instance.run(call, { deadline: String(Date.now() - 1) });
  const early = instance.run(call, { deadline: String(Date.now() + 60_000) });
  expect((await late).body).toMatchObject({ error: { code: 'ERR_DEADLINE' } });
  expectOwn(call, await early);
});

/** Calls of unlike lengths, each with a tag of its own. */
const unlike = (count: number): Call[] =>
  Array.from({ length: count }, (_, tag): Call => ({ dims: [1 + (tag % 2), 1 + ((7 * tag) % 15)], tag: tag + 1 }));

it('pads calls of unlike lengths where asked to, and cuts their answers to their own', async () => {
  await start(masked(), { padding: true });
  for (let round = 0; round < 3; round += 1) {
    const calls = unlike(24);
    (await all(calls)).forEach(({ body }, index) => {
      const { dims, tag } = calls[index] as Call;
      const pooled = Array.from({ length: dims[0] ?? 0 }, () => expect.closeTo(tag as number, 3));
      expect(body).toEqual({ dims, values: [String(3 * (tag as number))], pooled });
    });
  }
  expect(noticed()).toEqual([]);
});

it('finds out that a model does not heed its mask, and goes on joining calls of one length', async () => {
  await start(masked(true), { padding: true });
  for (let round = 0; round < 3; round += 1) {
    const calls = unlike(24);
    (await all(calls)).forEach(({ body }, index) => {
      const { dims, tag } = calls[index] as Call;
      expect(body).toMatchObject({
        dims,
        pooled: Array.from({ length: dims[0] ?? 0 }, () => expect.closeTo(tag as number, 3)),
      });
    });
  }
  expect(noticed()).toHaveLength(1);
  expect(noticed()[0]).toMatch(/with unlike lengths: run alone, output 'pooled' has other values/);
});

describe('inputs of 1 GB', () => {
  const call: Call = { dims: [1, 2 ** 28], tag: 5 };

  it('go through, beside a small one', async () => {
    await start(tagging());
    const replies = await all([call, { dims: [1, 4], tag: 7 }]);
    // The set of distinct values is made over 268 million of them; the buffer is as long as a tensor alone has it.
    expect(replies.map(({ body }) => body)).toEqual([
      { dims: call.dims, values: ['15'], bytes: 2 ** 30 },
      { dims: [1, 4], values: ['21'], bytes: 16 },
    ]);
  });

  it('are run though they alone are beyond the bound, and others meanwhile wait', async () => {
    await start(tagging(), {}, { TETRIS_RUNTIME_INPUT_BYTES_MAX: '512m' });
    const [large, small] = await all([call, { dims: [1, 4], tag: 7, keeps: true }]);
    expect(large?.body).toMatchObject({ values: ['15'], bytes: 2 ** 30 });
    expect(small?.body).toMatchObject({ values: ['21'] });
  });

  it('wait for each other where they pass the bound together', async () => {
    await start(tagging(), { batch: 1 }, { TETRIS_RUNTIME_INPUT_BYTES_MAX: '64m' });
    const calls = Array.from({ length: 6 }, (_, tag): Call => ({ dims: [1, 2 ** 23], tag, keeps: true }));
    const replies = await all(calls);
    calls.forEach((each, index) => expectOwn(each, replies[index] as RuntimeReply));
  });
});
