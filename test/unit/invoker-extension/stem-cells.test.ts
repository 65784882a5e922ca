import { parseStemCells, StemCells } from '../../../invoker-extension/src/instances/stem-cells';

const MIB = 1024 ** 2;
const SMALL = { kind: 'nodejs:tetris', memoryBytes: 256 * MIB };
const LARGE = { kind: 'nodejs:tetris', memoryBytes: 512 * MIB };

function cells(): StemCells<string> {
  return new StemCells([
    { ...SMALL, count: 2 },
    { ...LARGE, count: 1 },
  ]);
}

describe('StemCells', () => {
  it('names every container that its plan lacks, once', () => {
    const stock = cells();
    expect(stock.missing()).toEqual([SMALL, SMALL, LARGE]);
    expect(stock.missing()).toEqual([]);
  });

  it('hands out the oldest cell of exactly the kind and memory, and asks for another', () => {
    const stock = cells();
    stock.missing();
    stock.started(SMALL, 'a');
    stock.started(SMALL, 'b');
    stock.started(LARGE, 'c');
    expect(stock.take(SMALL)).toBe('a');
    expect(stock.take({ ...SMALL, memoryBytes: 300 * MIB })).toBeUndefined();
    expect(stock.take({ ...SMALL, kind: 'nodejs:20' })).toBeUndefined();
    expect(stock.missing()).toEqual([SMALL]);
  });

  it('asks again for a cell that did not start, and for one that was lost', () => {
    const stock = cells();
    stock.missing();
    stock.started(SMALL, 'a');
    stock.failed(SMALL);
    stock.failed(LARGE);
    stock.lost('a');
    expect(stock.missing()).toEqual([SMALL, SMALL, LARGE]);
  });

  it('does not ask for a cell that was taken and then ended', () => {
    const stock = cells();
    stock.missing();
    stock.started(LARGE, 'c');
    stock.take(LARGE);
    expect(stock.missing()).toEqual([LARGE]);
    stock.lost('c');
    expect(stock.missing()).toEqual([]);
  });

  it('counts the memory of waiting and starting cells, not of taken ones', () => {
    const stock = cells();
    expect(stock.reservedBytes).toBe(0);
    stock.missing();
    stock.started(LARGE, 'c');
    expect(stock.reservedBytes).toBe(1024 * MIB);
    stock.take(LARGE);
    expect(stock.reservedBytes).toBe(512 * MIB);
  });

  it.each([
    [[{ ...SMALL, count: 0 }], /must be at least 1/],
    [[{ ...SMALL, count: 1.5 }], /must be at least 1/],
    [
      [
        { ...SMALL, count: 1 },
        { ...SMALL, count: 2 },
      ],
      /planned twice/,
    ],
  ])('bad call: a plan that cannot be kept (%#)', (plans, text) => {
    expect(() => new StemCells(plans)).toThrow(text);
  });
});

describe('parseStemCells', () => {
  it('reads kind, memory and count', () => {
    expect(parseStemCells(['nodejs:tetris@256m=2', 'nodejs:20@1g=1'])).toEqual([
      { ...SMALL, count: 2 },
      { kind: 'nodejs:20', memoryBytes: 1024 * MIB, count: 1 },
    ]);
  });

  it.each(['nodejs:20', 'nodejs:20@256m', 'nodejs:20@much=1', '@256m=1', 'nodejs:20@256m=0', 'nodejs:20@256m=-1'])(
    "bad call: names the entry '%s' that it cannot read",
    (entry) => {
      expect(() => parseStemCells([entry])).toThrow(`stem cells '${entry}'`);
    },
  );
});
