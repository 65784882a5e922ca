import { choose, costPerformance, isUsable, plannedRows } from '../../../invoker-extension/src/profiles/choose';
import { estimate } from '../../../profiler/src/estimate';
import { type ProfileEntry, type ProfilePoint, pointName } from '../../../invoker-extension/src/profiles/result';
import { limitsFor, pointsOf, remaining, type SweepSpace } from '../../../profiler/src/sweep';

const space: SweepSpace = {
  variants: ['optimized'],
  cpus: [1, 2],
  concurrencies: [1, 2],
  threads: [1, 2],
  batches: [1, 2, 4, 8],
  memoryLimits: [128, 256, 512],
  sloMs: 100,
};

/** A world with a known law: 10 ms a batch plus 5 ms per request, shared cores slow everybody. */
const law = ({ batch, concurrency, threads, cpu }: ProfilePoint): number =>
  20 * batch ** 0.7 * threads ** -0.8 * Math.max(1, (concurrency * threads) / cpu);

const measured = (point: ProfilePoint, p50Ms = law(point)): ProfileEntry => ({
  source: 'measured',
  point,
  measurement: {
    p50Ms,
    p95Ms: p50Ms * 1.1,
    p99Ms: p50Ms * 1.2,
    throughput: (1000 / p50Ms) * point.batch * point.concurrency,
    loadMs: 50,
    peakBytes: 4e7,
    steadyBytes: 3e7 + point.concurrency * 1e7,
    samples: 20,
  },
});

describe('sweep', () => {
  it('asks for no more workers and threads than the cores can run', () => {
    expect(pointsOf(space).every(({ cpu, concurrency, threads }) => concurrency * threads <= cpu)).toBe(true);
    expect(pointsOf(space)).toHaveLength((1 + 3) * 4);
  });

  it('gives up a line whose median is far beyond the objective', () => {
    const [first] = pointsOf(space);
    if (first === undefined) throw new Error('no point');
    const left = remaining(space, [measured({ ...first, batch: 2 }, 250)]);
    const sameLine = left.filter(({ cpu, concurrency, threads }) => cpu === 1 && concurrency === 1 && threads === 1);
    expect(sameLine.map(({ batch }) => batch)).toEqual([1]);
  });

  it('resumes with what is left, smallest batches first', () => {
    const done = pointsOf(space)
      .slice(0, 5)
      .map((point) => measured(point));
    const left = remaining(space, done);
    expect(left).toHaveLength(pointsOf(space).length - 5);
    expect(left.map(({ batch }) => batch)).toEqual(left.map(({ batch }) => batch).sort((one, other) => one - other));
  });
});

describe('limitsFor', () => {
  const point = { variant: 'optimized', cpu: 2, concurrency: 2, threads: 1, batch: 4 } as const;
  const needing = (limitBytes: number, other: Partial<ProfilePoint>): ProfileEntry => {
    const entry = measured({ ...point, ...other });
    return entry.source === 'measured' ? { ...entry, measurement: { ...entry.measurement, limitBytes } } : entry;
  };

  it('goes up from the least, or from what less of the same has needed', () => {
    expect(limitsFor(point, space, [])).toEqual([128, 256, 512]);
    const entries = [needing(256, { batch: 2 }), needing(512, { batch: 8 }), needing(512, { variant: 'plain' })];
    expect(limitsFor(point, space, entries)).toEqual([256, 512]);
    expect(limitsFor(point, space, [needing(1024, { concurrency: 1 })])).toEqual([512]);
  });

  it('what failed for want of memory is tried again with more, and nothing else that failed', () => {
    const failed = (limitBytes?: number): ProfileEntry[] => [
      { source: 'failed', point, reason: 'no', ...(limitBytes === undefined ? {} : { limitBytes }) },
    ];
    const asks = (entries: ProfileEntry[]): boolean =>
      remaining(space, entries).some((left) => pointName(left) === pointName(point));
    expect(asks(failed(256))).toBe(true);
    expect(asks(failed(512))).toBe(false);
    expect(asks(failed())).toBe(false);
  });
});

describe('estimate', () => {
  const points = pointsOf(space);

  it('recovers a law of powers from part of the rows within 5 %, and marks every row as estimated', () => {
    const known = points.filter((_, index) => index % 2 === 0).map((point) => measured(point));
    const estimated = estimate(known, points);
    expect(estimated.map(({ point }) => pointName(point)).sort()).toEqual(
      points
        .filter((_, index) => index % 2 === 1)
        .map(pointName)
        .sort(),
    );
    for (const { source, point, measurement } of estimated) {
      expect(source).toBe('estimated');
      expect(measurement.p50Ms / law(point)).toBeGreaterThan(0.95);
      expect(measurement.p50Ms / law(point)).toBeLessThan(1.05);
    }
  });

  it('estimates nothing from too few rows', () => {
    expect(
      estimate(
        points.slice(0, 2).map((point) => measured(point)),
        points,
      ),
    ).toEqual([]);
  });
});

describe('plannedRows', () => {
  const point = { variant: 'optimized', cpu: 1, concurrency: 1, threads: 1, batch: 1 } as const;

  it('has each shape once, with the cores that it keeps busy, whatever machine it was measured on', () => {
    const rows = plannedRows([
      measured({ ...point, cpu: 8 }, 30),
      measured({ ...point, cpu: 1 }, 20),
      measured({ ...point, cpu: 8, concurrency: 2, threads: 2, batch: 4 }, 40),
    ]);
    expect(rows).toEqual([
      { cpu: 1, concurrency: 1, batch: 1, latencyMs: 22, privateBytes: 4e7 },
      { cpu: 4, concurrency: 2, batch: 4, latencyMs: 44, privateBytes: 5e7 },
    ]);
  });

  it('leaves out other graphs, what is impossible, and workers that shared a core', () => {
    const failed: ProfileEntry = { source: 'failed', point, reason: 'no' };
    expect(
      plannedRows([failed, measured({ ...point, variant: 'int8' }), measured({ ...point, concurrency: 2, batch: 2 })]),
    ).toEqual([]);
  });
});

describe('choose', () => {
  const entries = pointsOf(space).map((point) => measured(point));

  it('takes the entry that serves most per memory and core within the objective', () => {
    const chosen = choose(entries, 100, 50);
    // A batch may take half of the objective; the law leaves batches of 2 on one worker and larger ones out.
    expect(chosen?.measurement.p95Ms).toBeLessThanOrEqual(50);
    expect(chosen?.point.batch).toBeGreaterThan(1);
  });

  it('chooses nothing where nothing meets the objective', () => {
    expect(choose(entries, 1, 50)).toBeUndefined();
  });

  it('counts memory times time per request against the base', () => {
    const usable = entries.filter(isUsable);
    const [base] = usable;
    if (base === undefined) throw new Error('no entry');
    expect(costPerformance(base, base)).toBe(1);
    const batched = usable.find(({ point }) => point.batch === 8 && point.cpu === 1);
    if (batched === undefined) throw new Error('no entry');
    expect(costPerformance(batched, base)).toBeCloseTo(8 ** -0.3, 6);
  });
});
