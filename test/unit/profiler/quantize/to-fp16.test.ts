/** Models with float16 weights run by onnxruntime, against the same models as they came. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildModel, convnet, type Feed, lstm } from '@tetris/bench';
import { type ModelProto, TensorType } from '@tetris/onnx-format/messages';
import { readModel } from '../../../../profiler/src/quantize/model-file';
import { toFp16 } from '../../../../profiler/src/quantize/to-fp16';
import { answersOf, attribute, cosine, floatModel } from '../../../support/float-model';
import { randomFrom, testSeed } from '../../../support/random';
const folder = mkdtempSync(join(tmpdir(), 'tetris-fp16-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const random = randomFrom(testSeed());
const numbers = (length: number, limit: number): Float32Array =>
  Float32Array.from({ length }, () => (random(20_001) / 10_000 - 1) * limit);
const opsOf = ({ graph }: ModelProto): string[] => (graph?.node ?? []).map(({ opType }) => opType);

describe('a model with fp16 weights', () => {
  it.each([
    ['a convolutional network', convnet('conv')],
    ['a recurrent network', lstm('rec')],
  ])('%s answers within what 11 bits can tell, from half of the bytes', async (_name, definition) => {
    const made = await buildModel(definition, folder);
    const original = await readModel(made.path);
    const { model: converted, report } = toFp16(original);
    expect(report.replaced).toBeGreaterThan(0);
    expect(report.bytesAfter).toBe(report.bytesBefore / 2);
    const { wanted, got } = await answersOf(folder, 'nets', { original, converted }, made.inputs(2, 1));
    for (const [output, { data }] of Object.entries(wanted)) {
      expect(cosine(data, got[output]?.data ?? [])).toBeGreaterThan(0.9999);
    }
    expect(got).not.toEqual(wanted);
    expect(statSync(join(folder, 'nets-converted.onnx')).size).toBeLessThan(0.6 * statSync(made.path).size);
  });

  it('casts only the rows that are picked from a table, which stays small', async () => {
    const [rows, width] = [160, 144];
    const built = () =>
      floatModel(
        width,
        [
          { opType: 'Cast', input: ['x'], output: ['at'], attribute: [attribute('to', TensorType.INT64)] },
          { opType: 'Gather', input: ['table', 'at'], output: ['picked'] },
          { opType: 'ReduceSum', input: ['picked'], output: ['sum'], attribute: [attribute('keepdims', 0)] },
          { opType: 'MatMul', input: ['x', 'w'], output: ['product'] },
          { opType: 'Add', input: ['product', 'sum'], output: ['y'] },
        ],
        {
          table: { dims: [rows, 4], data: numbers(rows * 4, 1) },
          w: { dims: [width, rows], data: numbers(width * rows, 1) },
        },
      );
    const original = built();
    // Large enough to be worth it.
    original.graph?.initializer.splice(
      0,
      1,
      ...(floatModel(1, [], { table: { dims: [rows, 144], data: numbers(rows * 144, 1) } }).graph?.initializer ?? []),
    );
    const { model: converted, report } = toFp16(original);
    expect(report).toMatchObject({ replaced: 2, skipped: [] });
    expect(opsOf(converted)).toEqual(['Cast', 'Cast', 'Gather', 'Cast', 'ReduceSum', 'MatMul', 'Add']);
    const data = Float32Array.from({ length: width }, () => random(rows));
    const feeds: Feed[] = [{ name: 'x', type: 'float32', dims: [1, width], data }];
    const { wanted, got } = await answersOf(folder, 'table', { original, converted }, feeds);
    expect(cosine(wanted['y']?.data ?? [], got['y']?.data ?? [])).toBeGreaterThan(0.9999);
  });

  it.each([
    ['too large', 65_520],
    ['not finite', Infinity],
  ])('leaves a weight alone that holds a number that is %s', (_name, value) => {
    const data = numbers(160 * 144, 1);
    data[7] = value;
    const original = floatModel(160, [{ opType: 'MatMul', input: ['x', 'w'], output: ['y'] }], {
      w: { dims: [160, 144], data },
    });
    const reason = 'float16 does not hold its numbers';
    expect(toFp16(original).report).toMatchObject({ replaced: 0, skipped: [{ what: 'weight', count: 1, reason }] });
  });
});
