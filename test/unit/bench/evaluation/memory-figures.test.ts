import { bytesAt } from '../../../../bench/src/evaluation/growth';
import { type FleetGrowth, type FleetName, memoryFigures } from '../../../../bench/src/evaluation/memory-figures';
import { measureRows } from '../../../../bench/src/evaluation/rows';

const growth = (model: string, fleet: FleetName, ...mb: number[]): FleetGrowth => ({
  name: `${model}/${fleet}`,
  model,
  fleet,
  models: 1,
  modelMb: 10,
  points: mb.map((each, at) => ({ instances: 1 + 10 * at, mb: each })),
});

describe('memory that is not measured', () => {
  it('grows as what was measured did', () => {
    const readings = [
      { instances: 1, bytes: 100 },
      { instances: 2, bytes: 130 },
      { instances: 5, bytes: 220 },
    ];
    expect(bytesAt(readings, 30)).toBe(220 + 25 * 30);
    expect(bytesAt(readings.slice(0, 1), 30)).toBe(3_000);
    expect(bytesAt([], 30)).toBe(0);
  });
});

describe('figures of memory', () => {
  const rows = [
    growth('large', 'tetris', 200, 300),
    growth('large', 'stock', 200, 2_000),
    growth('small', 'tetris', 100, 400),
    growth('small', 'stock', 50, 500),
    growth('mix', 'tetris', 500, 500),
    growth('mix', 'stock', 500, 1_000),
    growth('half', 'tetris', 500, 500),
  ];

  it('compare the most instances, and leave out models of which a side is not known', () => {
    expect(memoryFigures(rows)).toMatchObject({
      savedMax: 0.85,
      savedMean: 0.525,
      savedMix: 0.5,
      nextInstanceMb: { large: 10, small: 30, mix: 0 },
    });
  });

  it('of nothing are none', () => {
    expect(memoryFigures([])).toEqual({ nextInstanceMb: {}, models: [], rows: [] });
  });
});

describe('rows', () => {
  const names = (rows: readonly { name: string }[]): { rows: { name: string }[] } => ({ rows: [...rows] });

  it('that an earlier run has measured are kept, also those that are not wanted now', async () => {
    const measured: string[] = [];
    const saved: number[] = [];
    const result = await measureRows(
      ['a', 'b', 'c'],
      {
        earlier: { rows: [{ name: 'z' }, { name: 'b' }] },
        save: async ({ rows }) => void saved.push((rows as unknown[]).length),
      },
      async (name) => {
        measured.push(name);
        return { name };
      },
      names,
    );
    expect(measured).toEqual(['a', 'c']);
    expect(result).toEqual(names(['z', 'b', 'a', 'c'].map((name) => ({ name }))));
    expect(saved).toEqual([3, 4]);
  });
});
