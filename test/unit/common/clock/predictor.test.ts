import fc from 'fast-check';
import { isTimely, Predictor } from '../../../../common/src/clock';
import { testSeed } from '../../../support/random';

const predictor = (...times: readonly [size: number, executionMs: number][]): Predictor => {
  const subject = new Predictor({ samples: 20, share: 0.95 });
  for (const [size, executionMs] of times) subject.ran(size, executionMs);
  return subject;
};

describe('Predictor', () => {
  it('knows nothing before anything was executed', () => {
    expect([predictor().of(1), predictor().tailMs(4), predictor().meanMs(4)]).toEqual([undefined, 0, 0]);
  });

  it('tells a percentile and the mean of the last executions of a size', () => {
    const subject = predictor(...Array.from({ length: 20 }, (_, at) => [2, at + 1] as [number, number]));
    expect(subject.of(2)).toEqual({ tailMs: 19, meanMs: 10.5 });
    for (let at = 0; at < 20; at += 1) subject.ran(2, 100);
    expect(subject.of(2)).toEqual({ tailMs: 100, meanMs: 100 });
  });

  it('takes a size that it has not seen for its share of the next smaller one, else for the smallest', () => {
    const subject = predictor([2, 10], [8, 20]);
    expect([subject.tailMs(1), subject.tailMs(4), subject.tailMs(16)]).toEqual([10, 20, 40]);
  });

  describe('of a size that was not executed lately', () => {
    const twentyTimes = (size: number, executionMs: number): [number, number][] => Array(20).fill([size, executionMs]);

    it('tells no more than a smaller one in proportion: a slow time is over', () => {
      expect(predictor([8, 400], ...twentyTimes(1, 20)).of(8)).toEqual({ tailMs: 160, meanMs: 160 });
      expect(predictor([8, 400], ...twentyTimes(1, 20), ...twentyTimes(4, 40)).tailMs(8)).toBe(80);
    });

    it('tells no less than a smaller one, nor than a larger one in proportion: a slow time has begun', () => {
      expect(predictor([4, 30], ...twentyTimes(2, 50)).tailMs(4)).toBe(50);
      expect(predictor([4, 30], ...twentyTimes(8, 80)).tailMs(4)).toBe(40);
    });

    it('tells what it has seen where that is possible', () => {
      expect(predictor([8, 60], ...twentyTimes(1, 20), ...twentyTimes(16, 100)).tailMs(8)).toBe(60);
    });
  });

  it('tells what joint executions take of the time of single ones, of sizes that were executed lately', () => {
    expect(predictor([1, 20]).jointShare).toBeUndefined();
    expect(predictor([1, 20], [2, 30], [4, 30]).jointShare).toBe(0.5);
    const ones = Array.from({ length: 20 }, () => [1, 20] as [number, number]);
    expect(predictor([4, 400], [2, 20], ...ones.slice(1)).jointShare).toBe(0.5);
    expect(predictor([4, 30], ...ones).jointShare).toBeUndefined();
  });

  it('bad call: leaves out a time that is none', () => {
    expect(predictor([1, NaN], [1, -1], [1, 7]).of(1)).toEqual({ tailMs: 7, meanMs: 7 });
  });

  it('never tells more than it has seen of a size, nor less than most of it', () => {
    const times = fc.array(fc.double({ min: 0, max: 1e4, noNaN: true }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(times, (all) => {
        const subject = predictor(...all.map((time) => [3, time] as [number, number]));
        const last = all.slice(-20);
        const within = last.filter((time) => time <= subject.tailMs(3)).length;
        return subject.tailMs(3) <= Math.max(...last) && within >= 0.95 * last.length;
      }),
      { seed: testSeed() },
    );
  });
});

describe('isTimely', () => {
  it('asks whether now, what is before, and a slow execution are over when the answer is due', () => {
    expect([isTimely(100, 50, 30, 180), isTimely(100, 50, 30, 179), isTimely(1e12, 1e9, 1e9, Infinity)]).toEqual([
      true,
      false,
      true,
    ]);
  });

  it('never takes back a no for more work, less time or a later look', () => {
    const ms = fc.integer({ min: 0, max: 1_000 });
    fc.assert(
      fc.property(ms, ms, ms, ms, ms, (now, before, tail, due, more) => {
        if (isTimely(now, before, tail, due)) return true;
        return !isTimely(now + more, before, tail, due) && !isTimely(now, before + more, tail + more, due - more);
      }),
      { seed: testSeed() },
    );
  });
});
