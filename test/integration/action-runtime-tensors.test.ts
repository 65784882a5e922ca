/**
 * Whatever memory a tensor's data is in, and whoever made the tensor: it gets to the model and back, and stays the
 * user's.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { InferenceWorker } from '@tetris/action-runtime/dist/inference/inference-worker';
import fc from 'fast-check';
import { writeIdentityModel } from '../support/onnx-models';
import { RuntimeProcess } from '../support/runtime';

const TYPES = {
  float32: 'FLOAT',
  float64: 'DOUBLE',
  float16: 'FLOAT16',
  int8: 'INT8',
  uint8: 'UINT8',
  bool: 'BOOL',
  int16: 'INT16',
  uint16: 'UINT16',
  int32: 'INT32',
  uint32: 'UINT32',
  int64: 'INT64',
  uint64: 'UINT64',
  string: 'STRING',
} as const;
type Type = keyof typeof TYPES;

const folder = mkdtempSync(path.join(os.tmpdir(), 'tensors-'));
const modelOf = (type: Type): string => path.join(folder, `${type}.onnx`);
const code = readFileSync(path.join(__dirname, '../support/tensors-action.cjs'), 'utf8');

beforeAll(async () => {
  for (const type of Object.keys(TYPES) as Type[]) await writeIdentityModel(modelOf(type), [TYPES[type]]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  intact: boolean;
  outputs: unknown[];
  written: unknown[];
  classes: string[];
  expectedClass: string;
  tensors: boolean;
}

const MEMORIES = ['own', 'part', 'overriding', 'buffer', 'pooled', 'shared', 'resizable', 'external'];
const MAKERS = ['tensor', 'object', 'bare', 'proxy', 'minified', 'realm'];

describe("a tensor's data", () => {
  let runtime: RuntimeProcess;
  beforeAll(async () => {
    runtime = await RuntimeProcess.start({ TETRIS_RUNTIME_MODEL_ROOTS: folder });
    expect(await runtime.init({ code })).toMatchObject({ status: 200 });
  });
  afterAll(() => runtime.stop());

  const call = async (argument: object): Promise<Outcome> => (await runtime.run(argument)).body as Outcome;

  const how = {
    maker: fc.constantFrom(...MAKERS),
    memory: fc.constantFrom(...MEMORIES),
    bareFeeds: fc.boolean(),
    preallocated: fc.boolean(),
    times: fc.integer({ min: 1, max: 3 }),
  };
  /** Of every element size, two to a row; bytes that are right for `bool` too. */
  const numbers = fc.record({
    ...how,
    type: fc.constantFrom(...(Object.keys(TYPES) as Type[]).filter((type) => type !== 'string')),
    rows: fc
      .array(fc.constantFrom(0, 1), { maxLength: 24 })
      .map((bits) => Uint8Array.from(bits.flatMap((bit) => Array<number>(16).fill(bit)))),
  });

  it('of numbers arrives and comes back, and the memory stays as it was', async () => {
    const property = fc.asyncProperty(numbers, async ({ type, rows, ...rest }) => {
      const given = Buffer.from(rows).toString('base64');
      const outcome = await call({ ...rest, type, model: modelOf(type), given });
      expect(outcome).toMatchObject({ intact: true, tensors: true, classes: [outcome.expectedClass] });
      expect(outcome.outputs).toEqual(Array<string>(rest.times).fill(given));
      expect(outcome.written).toEqual(Array<string>(rest.preallocated ? rest.times : 0).fill(given));
    });
    await fc.assert(property, { numRuns: 400 });
  });

  it('of texts arrives and comes back', async () => {
    const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'));
    const pairs = fc.array(fc.tuple(text, text)).map((rows) => rows.flat());
    const property = fc.asyncProperty(fc.record({ ...how, texts: pairs }), async (argument) => {
      const outcome = await call({ ...argument, type: 'string', model: modelOf('string') });
      expect(outcome.outputs).toEqual(Array<string[]>(argument.times).fill(argument.texts));
    });
    await fc.assert(property, { numRuns: 100 });
  });
});

describe('many at once', () => {
  const started = async (action: string, env: Record<string, string> = {}): Promise<RuntimeProcess> => {
    const runtime = await RuntimeProcess.start({ TETRIS_RUNTIME_MODEL_ROOTS: folder, ...env });
    expect(await runtime.init({ code: action, env: { FOLDER: folder } })).toMatchObject({ status: 200 });
    return runtime;
  };
  const HEAD = "const ort = require('onnxruntime-node'); const path = require('node:path');";

  it('5,000 runs of one activation are all answered', async () => {
    const runtime = await started(`${HEAD}
      exports.main = async ({ count }) => {
        const session = await ort.InferenceSession.create(path.join(process.env.FOLDER, 'float32.onnx'));
        const runs = Array.from({ length: count }, (_, at) => session.run({ float: new ort.Tensor('float32', [at, -at], [1, 2]) }));
        const results = await Promise.all(runs);
        return { right: results.filter(({ float_out }, at) => float_out.data[0] === at && float_out.data[1] === -at).length };
      };`);
    expect(await runtime.run({ count: 5000 })).toMatchObject({ body: { right: 5000 } });
    await runtime.stop();
  });

  it('a million texts pass through a worker, whatever its heap was to hold', async () => {
    const runtime = await started(`${HEAD}
      exports.main = async ({ count }) => {
        const session = await ort.InferenceSession.create(path.join(process.env.FOLDER, 'string.onnx'));
        const texts = Array.from({ length: count }, (_, at) => 'a text that is no integer ' + at);
        const { string_out } = await session.run({ string: new ort.Tensor('string', texts, [count / 2, 2]) });
        return { right: string_out.data.filter((text, at) => text === texts[at]).length };
      };`);
    expect(await runtime.run({ count: 1_500_000 })).toMatchObject({ body: { right: 1_500_000 } });
    await runtime.stop();
  });
});

describe('a request to a worker that it cannot read', () => {
  it('is failed, and no other', async () => {
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    const { unreadable } = require('../support/unreliable-worker.cjs') as { unreadable: () => object };
    const worker = new InferenceWorker(0, () => undefined);
    const release = { kind: 'release', sessionId: 1 } as const;
    const calls = [worker.call({ ...release, extra: unreadable() } as never), worker.call({ kind: 'end' })];
    const [failed, answered] = await Promise.allSettled(calls);
    expect(failed).toMatchObject({ reason: { message: expect.stringContaining('could not read a request') } });
    expect(answered).toMatchObject({ status: 'fulfilled' });
    await worker.terminate();
  });
});
