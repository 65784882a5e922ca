/** Models with 4-bit weights run by onnxruntime, against the same models as they came. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildModel, type Feed, transformer } from '@tetris/bench';
import { BLOCK, packWeight, ZERO_POINT } from '../../../../profiler/src/quantize/int4-weight';
import { readModel } from '../../../../profiler/src/quantize/model-file';
import { toInt4 } from '../../../../profiler/src/quantize/to-int4';
import { answersOf, attribute, cosine, floatModel } from '../../../support/float-model';
import { randomFrom, testSeed } from '../../../support/random';
const folder = mkdtempSync(join(tmpdir(), 'tetris-int4-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const random = randomFrom(testSeed());
const numbers = (length: number, limit: number): Float32Array =>
  Float32Array.from({ length }, () => (random(20_001) / 10_000 - 1) * limit);

/** What a packed weight stands for. */
function unpack(weight: Float32Array, rows: number, columns: number, transposed: boolean): Float32Array {
  const { data, scales } = packWeight(weight, rows, columns, transposed);
  const blocks = Math.ceil(rows / BLOCK);
  return weight.map((_, place) => {
    const [row, column] = transposed
      ? [place % rows, Math.floor(place / rows)]
      : [Math.floor(place / columns), place % columns];
    const block = column * blocks + Math.floor(row / BLOCK);
    const byte = data[block * (BLOCK / 2) + Math.floor((row % BLOCK) / 2)] ?? 0;
    return ((row % 2 === 0 ? byte & 15 : byte >> 4) - ZERO_POINT) * (scales[block] ?? NaN);
  });
}

describe('int4 weights', () => {
  it('are off by a step of their block at most, and the largest is exact', () => {
    for (let round = 0; round < 100; round += 1) {
      const [rows, columns] = [1 + random(80), 1 + random(20)];
      const transposed = random(2) === 1;
      const weight = numbers(rows * columns, 10 ** (random(9) - 4));
      const back = unpack(weight, rows, columns, transposed);
      const largest = Math.max(...weight.map(Math.abs));
      const errors = weight.map((value, at) => Math.abs(value - (back[at] ?? NaN)));
      expect(Math.max(...errors)).toBeLessThanOrEqual((largest / ZERO_POINT) * 1.0001);
      expect(errors[weight.findIndex((value) => Math.abs(value) === largest)]).toBeLessThan(largest * 1e-6);
    }
  });
});

describe('a model with int4 weights', () => {
  it('multiplies with the weights that were packed, also transposed, in rows that fill no block, and with a bias', async () => {
    const [batch, inputs, hidden] = [3, 150, 144];
    const data = { w: numbers(inputs * hidden, 0.3), v: numbers(inputs * hidden, 2), bias: numbers(hidden, 1) };
    const built = (w: Float32Array, v: Float32Array) =>
      floatModel(
        inputs,
        [
          { opType: 'MatMul', input: ['x', 'w'], output: ['first'] },
          { opType: 'Gemm', input: ['x', 'v', 'bias'], output: ['second'], attribute: [attribute('transB', 1)] },
          { opType: 'Concat', input: ['first', 'second'], output: ['y'], attribute: [attribute('axis', 1)] },
        ],
        {
          w: { dims: [inputs, hidden], data: w },
          v: { dims: [hidden, inputs], data: v },
          bias: { dims: [hidden], data: data.bias },
        },
      );
    const { model: converted, report } = toInt4(built(data.w, data.v));
    expect(report).toMatchObject({ replaced: 2, skipped: [] });
    // 32 numbers of 4 bytes become 16 bytes and a scale; the last block of 150 rows is not full.
    expect(report.bytesAfter / report.bytesBefore).toBeCloseTo((5 * 20) / (150 * 4), 3);
    expect(converted.graph?.initializer.map(({ name }) => name)).toEqual(expect.not.arrayContaining(['w', 'v']));
    const rounded = built(unpack(data.w, inputs, hidden, false), unpack(data.v, inputs, hidden, true));
    const feeds: Feed[] = [{ name: 'x', type: 'float32', dims: [batch, inputs], data: numbers(batch * inputs, 5) }];
    const { wanted, got } = await answersOf(folder, 'packed', { original: rounded, converted }, feeds);
    const errors = (wanted['y']?.data ?? []).map((value, at) => Math.abs(value - (got['y']?.data[at] ?? NaN)));
    expect(errors).toHaveLength(batch * 2 * hidden);
    expect(Math.max(...errors)).toBeLessThan(0.01);
  });

  it('a transformer answers much as before from less than a sixth of the bytes', async () => {
    const definition = transformer('tiny', { layers: 2, hidden: 128, heads: 4, sequence: 16, labels: 8 });
    const made = await buildModel(definition, folder);
    const original = await readModel(made.path);
    const { model: converted, report } = toInt4(original);
    expect(report.replaced).toBeGreaterThan(10);
    expect(report.bytesAfter / report.bytesBefore).toBeLessThan(1 / 6);
    const { wanted, got } = await answersOf(folder, 'transformer', { original, converted }, made.inputs(2, 1));
    expect(cosine(wanted['logits']?.data ?? [], got['logits']?.data ?? [])).toBeGreaterThan(0.9);
    expect(got).not.toEqual(wanted);
  });

  it('says of operator set 6 that it is too old', () => {
    const old = floatModel(2, [{ opType: 'Relu', input: ['x'], output: ['y'] }], {}, 6);
    const reason = 'it is written in operator set 6; int4 needs 7';
    expect(toInt4(old).report).toMatchObject({ replaced: 0, skipped: [{ what: 'the model', count: 1, reason }] });
  });
});
