import { burstsWithin, busyShare } from '../../../../bench/src/overload/bursts';
import { overTime } from '../../../../bench/src/overload/capacity';
import { overloadFigures, type PointFigures, withinObjective } from '../../../../bench/src/overload/report';

const point = (load: PointFigures['load'], figures: Partial<PointFigures>): PointFigures =>
  ({ function: 'text', load, neighbour: true, sloAttainment: 1, ...figures }) as PointFigures;

describe('figures of overload', () => {
  it('are the least of each kind, and goodput also over what was possible', () => {
    const figures = overloadFigures(
      [
        point(0.85, { sloAttainment: 0.97, goodputRatio: 0.8, possibleRatio: 0.85 }),
        point(1, { goodputRatio: 0.81, possibleRatio: 0.9 }),
        point(3, { goodputRatio: 0.95, possibleRatio: 1 }),
        point('recovery', { recoverySeconds: 2 }),
      ],
      [],
    );
    expect(figures).toEqual({
      goodputWorst: 0.81,
      goodputOfPossibleWorst: 0.9,
      attainmentQuiet: null,
      attainmentNeighbour: 0.97,
      recoverySeconds: 2,
      withinObjectiveWorst: null,
    });
  });

  it('within the objective is what the best number of callers gets, over what the most callers get at all', () => {
    const loops = [
      { callers: 8, perSecond: 30, withinPerSecond: 30 },
      { callers: 12, perSecond: 40, withinPerSecond: 36 },
      { callers: 32, perSecond: 48, withinPerSecond: 2 },
    ];
    const closed = { function: 'image', load: 'closed' as const, neighbour: true, sloMs: 300, loops };
    expect(withinObjective(closed)).toBe(0.75);
    expect(overloadFigures([], [closed])).toMatchObject({ withinObjectiveWorst: 0.75, goodputWorst: null });
  });

  it('what is possible at a load of one is less than capacity, as no pause makes up for a burst', () => {
    const capacity = { quiet: 120, beside: 60 };
    const mean = overTime(capacity, 0.5);
    expect(mean).toBe(90);
    expect(overTime({ quiet: Math.min(mean, 120), beside: 60 }, 0.5) / mean).toBeCloseTo(0.833);
  });

  it('a neighbour is busy for the share of a time that its bursts cover', () => {
    const bursts = burstsWithin(60_000, 7);
    expect(bursts).toEqual(burstsWithin(60_000, 7));
    expect(busyShare([{ fromMs: 1_000, toMs: 3_000 }], 2_000, 6_000)).toBe(0.25);
    expect(busyShare([], 0, 1_000)).toBe(0);
  });
});
