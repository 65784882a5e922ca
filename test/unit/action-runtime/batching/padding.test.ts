import fc from 'fast-check';
import { Padding } from '../../../../action-runtime/src/batching/padding';
import type { RunInput, SessionInfo, WireTensor } from '../../../../action-runtime/src/inference/protocol';

const tensor = (name: string, shape: (number | string)[], type: WireTensor['type'] = 'int64') => ({
  name,
  isTensor: true as const,
  type,
  shape,
});
const info = (...inputMetadata: ReturnType<typeof tensor>[]): SessionInfo => ({
  inputNames: inputMetadata.map(({ name }) => name),
  outputNames: ['y'],
  inputMetadata,
  outputMetadata: [tensor('y', ['batch', 'sequence', 2], 'float32'), tensor('score', ['batch'], 'float32')],
});
const BERT = info(
  tensor('input_ids', ['batch', 'sequence']),
  tensor('attention_mask', ['batch', 'sequence']),
  tensor('bias', ['batch', 2, 'sequence', 3], 'float32'),
);

/** A request whose elements count up, over rows x length. */
function request(rows: number, length: number): RunInput {
  const whole = (): WireTensor => ({
    type: 'int64',
    dims: [rows, length],
    data: BigInt64Array.from({ length: rows * length }, (_, at) => BigInt(at + 1)),
  });
  const count = rows * 2 * length * 3;
  const bias: WireTensor = {
    type: 'float32',
    dims: [rows, 2, length, 3],
    data: Float32Array.from({ length: count }, (_, at) => at + 1),
  };
  return {
    feeds: { input_ids: { tensor: whole() }, attention_mask: { tensor: whole() }, bias: { tensor: bias } },
    fetches: {},
    options: {},
  };
}

const at = (input: RunInput, name: string): WireTensor => (input.feeds[name] as { tensor: WireTensor }).tensor;
const paddingOf = (model: SessionInfo): Padding => {
  const padding = Padding.of(model);
  if (padding === undefined) throw new Error('a model with a mask');
  return padding;
};

describe('padding', () => {
  it('is for models with a mask over two symbolic axes', () => {
    expect(Padding.of(BERT)).toBeDefined();
    expect(Padding.of(info(tensor('input_ids', ['batch', 'sequence'])))).toBeUndefined();
    expect(Padding.of(info(tensor('attention_mask', ['batch', 128])))).toBeUndefined();
    expect(Padding.of(info(tensor('attention_mask', ['batch', 'batch'])))).toBeUndefined();
    expect(Padding.of(info(tensor('attention_mask', ['batch', 'sequence', 'sequence'])))).toBeUndefined();
  });

  it('joins lengths up to the next power of two, and short ones with each other', () => {
    const buckets = [1, 16, 17, 32, 33, 512].map((length) => paddingOf(BERT).bucketOf(request(1, length)));
    expect(buckets).toEqual([16, 16, 32, 32, 64, 512]);
  });

  it('puts zeros after each sequence, on every input that has one', () => {
    const padded = paddingOf(BERT).padded(request(2, 2), 3);
    expect(at(padded, 'attention_mask')).toEqual({
      type: 'int64',
      dims: [2, 3],
      data: BigInt64Array.of(1n, 2n, 0n, 3n, 4n, 0n),
    });
    const { dims, data } = at(padded, 'bias');
    expect(dims).toEqual([2, 2, 3, 3]);
    expect([...(data as Float32Array)].slice(0, 12)).toEqual([1, 2, 3, 4, 5, 6, 0, 0, 0, 7, 8, 9]);
  });

  it('leaves a request of that length as it is', () => {
    const given = request(2, 5);
    expect(paddingOf(BERT).padded(given, 5)).toBe(given);
  });

  it('cuts of results what it has added, and only along the sequence', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 6 }),
        fc.nat({ max: 5 }),
        (rows, own, more) => {
          const padding = paddingOf(BERT);
          const y = (length: number, value: (row: number, step: number) => number): WireTensor => ({
            type: 'float32',
            dims: [rows, length, 2],
            data: Float32Array.from({ length: rows * length * 2 }, (_, index) =>
              value(Math.floor(index / (2 * length)), Math.floor(index / 2) % length),
            ),
          });
          const score: WireTensor = { type: 'float32', dims: [rows], data: new Float32Array(rows).fill(7) };
          const value = (row: number, step: number): number => 100 * row + step;
          expect(padding.cut({ y: y(own + more, value), score }, own)).toEqual({ y: y(own, value), score });
        },
      ),
    );
  });

  it('pads texts with empty ones', () => {
    const padding = paddingOf(
      info(tensor('words', ['batch', 'sequence'], 'string'), tensor('mask', ['batch', 'sequence'])),
    );
    const words: WireTensor = { type: 'string', dims: [2, 1], data: ['a', 'b'] };
    const mask: WireTensor = { type: 'int64', dims: [2, 1], data: BigInt64Array.of(1n, 1n) };
    const padded = padding.padded(
      { feeds: { words: { tensor: words }, mask: { tensor: mask } }, fetches: {}, options: {} },
      2,
    );
    expect(at(padded, 'words')).toEqual({ type: 'string', dims: [2, 2], data: ['a', '', 'b', ''] });
  });
});
