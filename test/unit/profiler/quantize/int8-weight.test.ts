import { quantizeWeight, ZERO_POINT } from '../../../../profiler/src/quantize/int8-weight';
import { randomFrom, testSeed } from '../../../support/random';

/** Numbers of either sign over many orders of magnitude. */
function weights(length: number, random: (below: number) => number): Float32Array {
  return Float32Array.from({ length }, () => (random(2001) / 1000 - 1) * 10 ** (random(13) - 6));
}

describe('int8 weights', () => {
  const random = randomFrom(testSeed());

  it('are off by half a step of their column at most, whatever the weights', () => {
    for (let round = 0; round < 200; round += 1) {
      const [rows, columns] = [1 + random(20), 1 + random(20)];
      const weight = weights(rows * columns, random);
      const { data, scales } = quantizeWeight(weight, rows, columns, false);
      for (let at = 0; at < weight.length; at += 1) {
        const scale = scales[at % columns] ?? 0;
        const back = scale * ((data[at] ?? 0) - ZERO_POINT);
        // Beyond half a step lies what a float32 of this size cannot tell.
        expect(Math.abs(back - (weight[at] ?? 0))).toBeLessThanOrEqual(scale * 0.5001);
        expect(data[at]).toBeGreaterThanOrEqual(1);
      }
    }
  });

  it('are the same for a matrix and its transpose', () => {
    const [rows, columns] = [7, 5];
    const weight = weights(rows * columns, random);
    const transpose = Float32Array.from(weight, (_, at) => weight[(at % rows) * columns + Math.floor(at / rows)] ?? 0);
    expect(quantizeWeight(transpose, rows, columns, true)).toEqual(quantizeWeight(weight, rows, columns, false));
  });

  it('keep zeros exact, in a column of nothing else too', () => {
    const { data, scales } = quantizeWeight(Float32Array.of(0, 3, 0, 0, 0, -6), 3, 2, false);
    expect([...data].map((value) => value - ZERO_POINT)).toEqual([0, 64, 0, 0, 0, -127]);
    expect(scales[0]).toBe(1);
  });
});
