import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { node } from '@tetris/bench';
import { type ModelProto, ModelProtoSchema } from '@tetris/onnx-format/messages';
import { optimizeInChild } from '@tetris/tensor-daemon/dist/ingest/optimize';
import { detectSandbox } from '@tetris/tensor-daemon/dist/ingest/sandbox';
import { verifyCut } from '@tetris/tensor-daemon/dist/ingest/verify';
import { fileSource, TestDaemon, tmpfsFolder } from '../support/daemon';
import { until } from '../support/until';
import { matrix, model, quantizedLayers, writeExternal, writeModelProto } from '../support/unusual-models';

const GRAPH = { graphOptimizationLevel: 'all' as const, freeDimensionOverrides: {} };
const sandbox = detectSandbox({ memoryBytesMax: 4e9, fileBytesMax: 1e9, user: 0, program: __filename });
const limits = (signal = AbortSignal.timeout(60_000)) => ({ timeoutMs: 60_000, signal, afterFirstLineMs: 30_000 });

describe('verification of a cut model', () => {
  const folder = tmpfsFolder('tetris-verify-test-');
  afterAll(() => rmSync(folder, { recursive: true }));
  let count = 0;

  /** Verifies a model with its weight in a file beside it, both changed by `spoil`, as the cut form of `original`. */
  const verify = async (spoil: (cut: { graph: ModelProto; data: string }) => void, original?: ModelProto) => {
    const own = join(folder, String((count += 1)));
    mkdirSync(join(own, 'out'), { recursive: true });
    const path = writeExternal(own, 'cut');
    const modelPath = join(own, 'original.onnx');
    const graph = fromBinary(ModelProtoSchema, readFileSync(path));
    const data = join(own, 'cut.data');
    if (original !== undefined) writeModelProto(modelPath, original);
    const job = { modelPath: original === undefined ? path : modelPath, outputFolder: join(own, 'out'), graph: GRAPH };
    const optimize = { ...job, tensorBytesMin: 256, run: true };
    const known = await optimizeInChild(optimize, sandbox, limits());
    expect(known.trial).toMatchObject({ ran: true });
    spoil({ graph, data });
    writeModelProto(path, graph);
    const cut = { graph: path, tensors: [data], tensorBytes: 16_384 };
    await verifyCut(cut, known, optimize, sandbox, limits());
  };

  it('passes one that is right', async () => {
    await expect(verify(() => undefined)).resolves.toBeUndefined();
  });

  it.each<[string, string, RegExp, Parameters<typeof verify>[0]]>([
    ['does not load', 'cut-not-loaded', /it does not load: /, ({ data }) => truncateSync(data, 5_000)],
    [
      'has another output',
      'interface-changed',
      /output 0 is 'z'/,
      ({ graph }) => {
        for (const value of graph.graph?.output ?? []) value.name = 'z';
        for (const { output } of graph.graph?.node ?? []) output.fill('z');
      },
    ],
    [
      'asks for one more input',
      'interface-changed',
      /input 1 is 'more'/,
      ({ graph }) => {
        const [x] = graph.graph?.input ?? [];
        if (x !== undefined) graph.graph?.input.push({ ...x, name: 'more' });
      },
    ],
    [
      'computes other numbers',
      'answers-changed',
      /other numbers/,
      ({ data }) => writeFileSync(data, readFileSync(data).fill(0, 5_000, 5_004)),
    ],
    [
      'does not run',
      'answers-changed',
      /Gather/,
      ({ graph: { graph } }) => {
        const [multiply] = graph?.node ?? [];
        if (multiply !== undefined) Object.assign(multiply, { name: 'product', output: ['product'] });
        // A row has 64 numbers.
        const beyond = node('Constant', [], ['beyond'], { value_ints: [64] });
        const gather = node('Gather', ['x', 'beyond'], ['number'], { axis: 1 });
        graph?.node.push(beyond, gather, node('Add', ['product', 'number'], ['y']));
      },
    ],
  ])('refuses one that %s', async (_what, reason, text, spoil) => {
    await expect(verify(spoil)).rejects.toMatchObject({
      code: 'ERR_MODEL_UNSHAREABLE',
      fields: { reason },
      message: expect.stringMatching(text) as string,
    });
  });

  it('lets one pass that computes with random numbers', async () => {
    const noise = node('RandomNormalLike', ['x'], ['noise']);
    const random = ({ graph }: { graph: ModelProto }): void => {
      const [multiply] = graph.graph?.node ?? [];
      if (multiply !== undefined) Object.assign(multiply, { name: 'product', output: ['product'] });
      graph.graph?.node.push(noise, node('Add', ['product', 'noise'], ['y']));
    };
    const nodes = [node('MatMul', ['x', 'w'], ['product']), noise, node('Add', ['product', 'noise'], ['y'])];
    await expect(verify(random, model(nodes, [matrix('w', 16)]))).resolves.toBeUndefined();
  });

  it('ends at once where it was given up before it began', async () => {
    const job = { modelPath: '/nowhere', outputFolder: folder, graph: GRAPH, tensorBytesMin: 256, run: false };
    const given = optimizeInChild(job, sandbox, { timeoutMs: 60_000, signal: AbortSignal.abort() });
    await expect(given).rejects.toMatchObject({
      code: 'ERR_INGEST_FAILED',
      message: expect.stringMatching(/given up/),
    });
  });
});

describe('a model for which sharing gains nothing', () => {
  const daemon = new TestDaemon();
  const models = tmpfsFolder('tetris-no-gain-test-');
  const path = join(models, 'quantized.onnx');
  beforeAll(async () => {
    writeModelProto(path, quantizedLayers(6));
    await daemon.start({ modelRoots: models, refusalTtlMs: 3_000 });
  });
  afterAll(async () => {
    await daemon.dispose();
    rmSync(models, { recursive: true });
  });
  const lease = () => daemon.client.lease({ source: fileSource(path), name: 'quantized' });
  const refusal = { code: 'ERR_MODEL_UNSHAREABLE', fields: { reason: 'no-gain' } };

  it('is refused with that reason, which is logged and remembered for a time', async () => {
    await expect(lease()).rejects.toMatchObject(refusal);
    await expect(lease()).rejects.toMatchObject(refusal);
    expect(await daemon.logged({ 'model not shared': 1 })).toEqual({ 'model not shared': 1 });
    expect(daemon.files('models')).toEqual([]);
    const triedAgain = async (): Promise<boolean> => {
      await expect(lease()).rejects.toMatchObject(refusal);
      return (await daemon.logged({ 'model not shared': 1 }))['model not shared'] === 2;
    };
    await until(triedAgain, 'it is tried again');
  });
});
