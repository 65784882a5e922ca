/** Quantized models run by onnxruntime, against the same models as they came. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { buildModel, convnet, type Feed, lstm, transformer } from '@tetris/bench';
import { AttributeType, DataLocation, type ModelProto, ModelProtoSchema } from '@tetris/onnx-format/messages';
import { inlineTensors, readModel } from '../../../../profiler/src/quantize/model-file';
import type { ConversionReport } from '../../../../profiler/src/quantize/graph-editor';
import { toInt8 } from '../../../../profiler/src/quantize/to-int8';
import { vocabulariesOf } from '../../../../profiler/src/quantize/vocabularies';
import { answersOf, attribute, bytes, cosine, floatModel as model, type NodeSpec } from '../../../support/float-model';
import { randomFrom, testSeed } from '../../../support/random';
const folder = mkdtempSync(join(tmpdir(), 'tetris-quantize-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const both = async (name: string, original: ModelProto, feeds: Feed[]) => {
  const { model: quantized, report } = toInt8(original);
  return { report, quantized, ...(await answersOf(folder, name, { original, converted: quantized }, feeds)) };
};

const skippedOf = ({ skipped }: ConversionReport): string[] =>
  skipped.map(({ what, count, reason }) => `${count} x ${what}: ${reason}`).sort();

const opsOf = ({ graph }: ModelProto): string[] => (graph?.node ?? []).map(({ opType }) => opType);

describe('a quantized model', () => {
  const random = randomFrom(testSeed());
  const numbers = (length: number, limit: number): Float32Array =>
    Float32Array.from({ length }, () => (random(20_001) / 10_000 - 1) * limit);

  it('answers within the error that rounding activations and weights can make', async () => {
    const [batch, inputs, hidden] = [3, 160, 144];
    const w = numbers(inputs * hidden, 0.3);
    const v = numbers(inputs * hidden, 2);
    const bias = numbers(hidden, 1);
    const x = numbers(batch * inputs, 5);
    const original = model(
      inputs,
      [
        { opType: 'MatMul', input: ['x', 'w'], output: ['first'] },
        { opType: 'Gemm', input: ['x', 'v', 'bias'], output: ['second'], attribute: [attribute('transB', 1)] },
        { opType: 'Concat', input: ['first', 'second'], output: ['y'], attribute: [attribute('axis', 1)] },
      ],
      {
        w: { dims: [inputs, hidden], data: w },
        v: { dims: [hidden, inputs], data: v },
        bias: { dims: [hidden], data: bias },
      },
    );
    const feeds: Feed[] = [{ name: 'x', type: 'float32', dims: [batch, inputs], data: x }];
    const { report, quantized, wanted, got } = await both('bound', original, feeds);
    expect(report).toMatchObject({ replaced: 2, skipped: [] });
    // Both read the same activations, which are quantized once.
    expect(opsOf(quantized).filter((op) => op === 'DynamicQuantizeLinear')).toHaveLength(1);
    expect(quantized.graph?.initializer.map(({ name }) => name)).not.toContain('w');

    const step = (Math.max(0, ...x) - Math.min(0, ...x)) / 255;
    const columnStep = (at: (row: number) => number): number =>
      Math.max(...Array.from({ length: inputs }, (_, row) => Math.abs(at(row)))) / 127;
    let errors = 0;
    for (let row = 0; row < batch; row += 1) {
      for (let column = 0; column < 2 * hidden; column += 1) {
        const weightAt = (at: number): number =>
          (column < hidden ? w[at * hidden + column] : v[(column - hidden) * inputs + at]) ?? 0;
        const weightStep = columnStep(weightAt);
        let bound = 1e-3;
        for (let at = 0; at < inputs; at += 1) {
          // Half a step of the weight for each activation; of the activation a whole one, as its zero is rounded too.
          bound += Math.abs(x[row * inputs + at] ?? 0) * (weightStep / 2);
          bound += step * (Math.abs(weightAt(at)) + weightStep / 2);
        }
        const index = row * 2 * hidden + column;
        const error = Math.abs((wanted['y']?.data[index] ?? NaN) - (got['y']?.data[index] ?? NaN));
        expect(error).toBeLessThanOrEqual(bound);
        errors += error;
      }
    }
    // It was quantized at all.
    expect(errors).toBeGreaterThan(0);
  });

  it('leaves alone, with the reason, what it cannot do', () => {
    const [inputs, hidden] = [160, 144];
    const weight = { dims: [inputs, hidden], data: numbers(inputs * hidden, 1) };
    const broken = { ...weight, data: weight.data.map((value, at) => (at === 7 ? Infinity : value)) };
    const cube = { dims: [2, inputs, hidden], data: numbers(2 * inputs * hidden, 1) };
    const gemm = (name: string, value: number, type?: number): NodeSpec => ({
      opType: 'Gemm',
      input: ['x', 'w'],
      output: [`${name}.out`],
      attribute: [attribute(name, value, type)],
    });
    const { model: same, report } = toInt8(
      model(
        inputs,
        [
          { opType: 'MatMul', input: ['w', 'x'], output: ['left'] },
          { opType: 'MatMul', input: ['x', 'broken'], output: ['a'] },
          { opType: 'MatMul', input: ['x', 'cube'], output: ['b'] },
          { opType: 'MatMul', input: ['x', 'small'], output: ['c'] },
          gemm('transA', 1),
          gemm('alpha', 0.5, AttributeType.FLOAT),
          gemm('beta', 2, AttributeType.FLOAT),
          { opType: 'Mul', input: ['x', 'w'], output: ['y'] },
        ],
        { w: weight, broken, cube, small: { dims: [inputs, 2], data: numbers(2 * inputs, 1) } },
      ),
    );
    expect(skippedOf(report)).toEqual([
      '1 x Gemm: its left factor is transposed',
      '1 x MatMul: its weight has 3 dimensions, not 2',
      '1 x MatMul: its weight holds numbers that are not finite',
      '1 x MatMul: its weight is not the right factor',
      '1 x Mul: only MatMul and Gemm are quantized',
      '2 x Gemm: its alpha or beta is not 1',
    ]);
    expect(report).toMatchObject({ replaced: 0, bytesBefore: 0, bytesAfter: 0 });
    expect(same.graph?.node).toHaveLength(8);
    expect(same.graph?.initializer).toHaveLength(4);
  });

  it('leaves a weight alone that can be fed from outside, and one that a sub-graph holds', () => {
    const [inputs, hidden] = [160, 144];
    const original = model(inputs, [{ opType: 'MatMul', input: ['x', 'w'], output: ['y'] }], {
      w: { dims: [inputs, hidden], data: numbers(inputs * hidden, 1) },
    });
    const [tensor] = original.graph?.initializer ?? [];
    original.graph?.input.push(create(ModelProtoSchema, { graph: { input: [{ name: 'w' }] } }).graph!.input[0]!);
    expect(toInt8(original).report).toMatchObject({ replaced: 0, skipped: [] });

    const nested = create(ModelProtoSchema, {
      opsetImport: [{ domain: '', version: 17n }],
      graph: {
        node: [
          {
            opType: 'If',
            input: ['condition'],
            output: ['y'],
            attribute: [{ name: 'then_branch', type: AttributeType.GRAPH, g: { initializer: [tensor!] } }],
          },
        ],
      },
    });
    expect(skippedOf(toInt8(nested).report)).toEqual(['1 x If: sub-graphs are left alone']);
  });

  it('keeps a weight that something else reads too, and quantizes it once', async () => {
    const size = 144;
    const original = model(
      size,
      [
        { opType: 'MatMul', input: ['x', 'w'], output: ['first'] },
        { opType: 'MatMul', input: ['first', 'w'], output: ['second'] },
        { opType: 'ReduceSum', input: ['w'], output: ['sum'], attribute: [attribute('keepdims', 0)] },
        { opType: 'Add', input: ['second', 'sum'], output: ['y'] },
      ],
      { w: { dims: [size, size], data: numbers(size * size, 0.1) } },
    );
    const feeds: Feed[] = [{ name: 'x', type: 'float32', dims: [1, size], data: numbers(size, 1) }];
    const { report, quantized, wanted, got } = await both('tied', original, feeds);
    expect(report).toMatchObject({ replaced: 2, bytesBefore: 4 * size * size });
    expect(quantized.graph?.initializer.filter(({ name }) => name === 'w')).toHaveLength(1);
    expect(got['y']?.dims).toEqual(wanted['y']?.dims);
  });

  it.each([1, 10])('says of operator set %d that it is too old', (opset) => {
    const { report } = toInt8(model(2, [{ opType: 'Relu', input: ['x'], output: ['y'] }], {}, opset));
    expect(skippedOf(report)).toEqual([`1 x the model: it is written in operator set ${opset}; int8 needs 11`]);
  });
});

describe('models of every kind', () => {
  const built = async (definition: Parameters<typeof buildModel>[0]) => {
    const made = await buildModel(definition, folder);
    return { feeds: made.inputs(2, 1), original: await readModel(made.path) };
  };

  it('a transformer with int8 weights gives nearly the same answers from a quarter of the bytes', async () => {
    const { feeds, original } = await built(
      transformer('tiny', { layers: 2, hidden: 128, heads: 4, sequence: 16, labels: 8 }),
    );
    const { report, wanted, got } = await both('transformer', original, feeds);
    expect(report.replaced).toBeGreaterThan(10);
    expect(report.bytesAfter / report.bytesBefore).toBeLessThan(0.27);
    const [x, y] = [wanted['logits']?.data ?? [], got['logits']?.data ?? []];
    expect(cosine(x, y)).toBeGreaterThan(0.99);
    expect(y).not.toEqual(x);
  });

  it.each([
    ['a convolutional network', convnet('conv'), '3 x Conv: only MatMul and Gemm are quantized'],
    ['a recurrent network', lstm('rec'), '1 x LSTM: only MatMul and Gemm are quantized'],
  ])('%s has nothing to quantize, and answers as before', async (_name, definition, reason) => {
    const { feeds, original } = await built(definition);
    const { report, wanted, got } = await both('same', original, feeds);
    expect(report.replaced).toBe(0);
    expect(skippedOf(report)).toEqual([reason]);
    expect(got).toEqual(wanted);
  });
});

describe('a model file', () => {
  it('is read with tensors that lie beside it', async () => {
    const data = Float32Array.from({ length: 8 }, (_, at) => at);
    writeFileSync(join(folder, 'beside.bin'), Buffer.concat([Buffer.alloc(16), bytes(data)]));
    const original = model(2, [{ opType: 'MatMul', input: ['x', 'w'], output: ['y'] }], { w: { dims: [2, 4], data } });
    const [tensor] = original.graph?.initializer ?? [];
    const external = (location: string): void => {
      tensor!.rawData = new Uint8Array();
      tensor!.dataLocation = DataLocation.EXTERNAL;
      tensor!.externalData = [
        ['location', location],
        ['offset', '16'],
        ['length', '32'],
      ].map(([key, value]) => ({ key, value }) as NonNullable<typeof tensor>['externalData'][number]);
    };
    external('beside.bin');
    await inlineTensors(original, join(folder, 'model.onnx'));
    expect(tensor?.rawData).toEqual(bytes(data));
    expect(tensor?.externalData).toEqual([]);
    for (const location of ['../beside.bin', '/etc/passwd', 'absent.bin']) {
      external(location);
      await expect(inlineTensors(original, join(folder, 'model.onnx'))).rejects.toMatchObject({
        code: 'ERR_MODEL_INVALID',
        message: expect.stringContaining("tensor 'w'") as string,
      });
    }
  });

  it.each([
    ['text', 'not a model'],
    ['nothing', ''],
    ['another protobuf', Buffer.from([0x0a, 0x03, 0x61, 0x62, 0x63])],
  ])('bad call: of %s is refused by its name', async (_name, content) => {
    const path = join(folder, 'broken.onnx');
    writeFileSync(path, content);
    await expect(readModel(path)).rejects.toMatchObject({
      code: 'ERR_MODEL_INVALID',
      message: `${path} is no ONNX model`,
    });
  });

  it('bounds the numbers of an input that picks rows of a table', () => {
    const lookup = model(2, [{ opType: 'Gather', input: ['table', 'x'], output: ['y'] }], {
      table: { dims: [30, 2], data: new Float32Array(60) },
    });
    expect(vocabulariesOf(lookup)).toEqual({ x: 30 });
  });
});
