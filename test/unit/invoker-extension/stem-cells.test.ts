import { parseStemCells, type StemCellKind, StemCells } from '../../../invoker-extension/src/instances/stem-cells';

const MIB = 1024 ** 2;
const of = (mib: number): StemCellKind => ({ kind: 'nodejs:tetris', memoryBytes: mib * MIB });
const SMALL = of(256);
const LARGE = of(512);

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

  it('counts waiting cells with what they hold, up to their limit, once that is known', () => {
    const held = new Map([['c', 20 * MIB]]);
    const stock = new StemCells<string>([{ ...LARGE, count: 2 }], 0, (cell) => held.get(cell));
    stock.missing();
    for (const cell of ['c', 'd']) stock.started(LARGE, cell);
    expect(stock.reservedBytes).toBe((20 + 512) * MIB);
    held.set('d', 600 * MIB);
    expect(stock.reservedBytes).toBe((20 + 512) * MIB);
  });

  describe('for what was seen', () => {
    const [first, second, third] = [of(128), of(192), of(320)];
    const cellsFor = (bytesMax: number): StemCells<string> => new StemCells([{ ...SMALL, count: 1 }], bytesMax);

    it('keep one of each memory limit, beside what is planned', () => {
      const stock = cellsFor(1024 * MIB);
      for (const kind of [first, second, first, SMALL]) expect(stock.seen(kind)).toEqual([]);
      expect(stock.missing()).toEqual([SMALL, second, first]);
    });

    it('keep those that were seen last, within their bytes, and give back the others', () => {
      const stock = cellsFor(512 * MIB);
      stock.seen(first);
      stock.seen(second);
      expect(stock.missing()).toEqual([SMALL, first, second]);
      stock.started(first, 'a');
      expect(stock.started(second, 'b')).toBe(true);
      expect(stock.seen(third)).toEqual(['a']);
      expect(stock.missing()).toEqual([third]);
      expect(stock.take(first)).toBeUndefined();
      expect(stock.reservedBytes).toBe((256 + 192 + 320) * MIB);
    });

    it('do not want a cell that comes up when its memory limit is forgotten', () => {
      const stock = cellsFor(320 * MIB);
      stock.seen(first);
      stock.missing();
      stock.seen(third);
      expect(stock.started(first, 'late')).toBe(false);
      stock.failed(first);
      expect(stock.reservedBytes).toBe(256 * MIB);
    });

    it('keep none that is larger than all of their bytes', () => {
      const stock = cellsFor(0);
      expect(stock.seen(first)).toEqual([]);
      expect(stock.missing()).toEqual([SMALL]);
    });
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
