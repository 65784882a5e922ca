import fc from 'fast-check';
import { isTimely, Predictor } from '../../../../common/src/clock';
import { testSeed } from '../../../support/random';

const predictor = (...times: readonly [size: number, executionMs: number][]): Predictor => {
  const subject = new Predictor({ samples: 20, share: 0.95 });
  for (const [size, executionMs] of times) subject.ran(size, executionMs);
  return subject;
};

const SIZES = { minLength: 12, maxLength: 40 };

describe('Predictor', () => {
  it('knows nothing before anything was executed', () => {
    expect([predictor().of(1), predictor().tailMs(4), predictor().meanMs(4)]).toEqual([undefined, 0, 0]);
  });

  it('tells a percentile and the mean of the last executions of a size', () => {
    const subject = predictor(...Array.from({ length: 20 }, (_, at) => [2, at + 91] as [number, number]));
    expect(subject.of(2)).toEqual({ tailMs: 109, meanMs: 100.5 });
    for (let at = 0; at < 20; at += 1) subject.ran(2, 1_000);
    expect([subject.tailMs(2), subject.meanMs(2)]).toEqual([1_000, 1_000].map((ms) => expect.closeTo(ms) as number));
  });

  it('takes a size that it has not seen for its share of the next smaller one, else for the smallest', () => {
    const subject = predictor([2, 10], [8, 20]);
    expect([subject.tailMs(1), subject.tailMs(4), subject.tailMs(16)]).toEqual([10, 20, 40]);
  });

  it('bad call: leaves out a time that is none', () => {
    expect(predictor([1, NaN], [1, -1], [1, 7]).of(1)).toEqual({ tailMs: 7, meanMs: 7 });
  });

  it('tells of a size that is seldom executed at the pace of those that are executed now, and back', () => {
    const subject = predictor();
    for (let at = 0; at < 20; at += 1) for (const size of [1, 2, 8]) subject.ran(size, 10 * size);
    // A neighbour comes: two sizes are executed, in twice the time.
    for (let at = 0; at < 10; at += 1) for (const size of [1, 2]) subject.ran(size, 20 * size);
    expect([1, 2, 8].map((size) => subject.meanMs(size) / size)).toEqual([20, 20, 20]);
    for (let at = 0; at < 10; at += 1) subject.ran(1, 10);
    const quick = [1, 2, 8].map((size) => subject.meanMs(size) / size);
    expect(quick).toEqual([10, 10, 10]);
  });

  it('follows whatever neighbours do, for every size, a dozen executions after it has changed', () => {
    const phase = fc.record({ pace: fc.double({ min: 1, max: 4, noNaN: true }), sizes: fc.array(fc.nat(7), SIZES) });
    fc.assert(
      fc.property(fc.array(phase, { minLength: 1, maxLength: 12 }), fc.infiniteStream(fc.nat(100)), (phases, noise) => {
        const subject = predictor();
        const truthMs = (size: number): number => 10 + 5 * size;
        for (let at = 0; at < 40; at += 1) subject.ran(1 + (at % 8), truthMs(1 + (at % 8)));
        return phases.every(({ pace, sizes }) => {
          for (const size of sizes) {
            subject.ran(size + 1, pace * truthMs(size + 1) * (0.95 + (noise.next().value ?? 0) / 1_000));
          }
          const off = [1, 2, 3, 4, 5, 6, 7, 8].map((size) => subject.meanMs(size) / (pace * truthMs(size)));
          return off.every((ratio) => ratio > 0.7 && ratio < 1.4);
        });
      }),
      { seed: testSeed() },
    );
  });

  it('takes a few slow executions for chance, and many for the pace at once', () => {
    const subject = predictor(...Array.from({ length: 40 }, (_, at) => [1 + (at % 2), 10] as [number, number]));
    for (const slow of [1, 2, 3]) {
      subject.ran(1, 30);
      expect([slow, subject.meanMs(2)]).toEqual([slow, 10]);
    }
    subject.ran(2, 30);
    expect(subject.meanMs(2)).toBeGreaterThan(24);
    expect(subject.tailMs(2)).toBeLessThanOrEqual(30);
  });

  it('never tells more than it has seen of a size that varies by chance, nor less than most of it', () => {
    const times = fc.array(fc.double({ min: 90, max: 100, noNaN: true }), { minLength: 1, maxLength: 60 });
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
