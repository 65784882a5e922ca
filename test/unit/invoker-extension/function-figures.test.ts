import { bucketMs, latencyBucket, LatencyCounts } from '@tetris/common';
import { FunctionFigures } from '../../../invoker-extension/src/report/function-figures';

const START_MS = 1_000_000;
const answer = { latencyMs: 100, cold: false, batch: undefined, sloMs: undefined };

describe('the figures of a function', () => {
  it('adds up what was answered lately, and forgets what was before', () => {
    const figures = new FunctionFigures(60_000, START_MS);
    figures.answered({ ...answer, cold: true, sloMs: 200 }, START_MS);
    figures.answered({ ...answer, latencyMs: 300, batch: 4, sloMs: 200 }, START_MS + 1_000);
    expect(figures.report(START_MS + 2_000)).toMatchObject({
      ...{ sloMs: 200, activations: 2, coldStarts: 1, answered: 2, inTime: 1, batchSum: 4, batchCount: 1 },
    });
    expect(figures.report(START_MS + 90_000)).toMatchObject({
      ...{ activations: 2, coldStarts: 1, answered: 0, inTime: 0, batchSum: 0, latency: [] },
    });
  });

  it('counts refusals by reason, as activations that were not answered', () => {
    const figures = new FunctionFigures(60_000, START_MS);
    for (const reason of ['queue-full', 'queue-full', 'stopping']) figures.refused(reason);
    const { refusals, activations, answered } = figures.report(START_MS);
    expect(refusals).toEqual({ 'queue-full': 2, stopping: 1 });
    expect([activations, answered]).toEqual([3, 0]);
  });

  it('goes on after a clock that went back', () => {
    const figures = new FunctionFigures(60_000, START_MS);
    figures.answered(answer, START_MS + 30_000);
    figures.answered(answer, START_MS);
    expect(figures.report(START_MS).answered).toBe(2);
  });
});

describe('latency in buckets', () => {
  it('tells a percentile within a tenth', () => {
    const counts = new LatencyCounts();
    for (let ms = 1; ms <= 1_000; ms += 1) counts.add([[latencyBucket(ms), 1]]);
    for (const share of [0.1, 0.5, 0.9, 0.99]) {
      const told = counts.percentile(share) ?? 0;
      expect(Math.abs(told / (1_000 * share) - 1)).toBeLessThan(0.1);
    }
  });

  it('has a place for anything, and says nothing of nothing', () => {
    expect(latencyBucket(0)).toBe(0);
    expect(bucketMs(latencyBucket(1e12))).toBeGreaterThan(1e6);
    expect(new LatencyCounts().percentile(0.5)).toBeUndefined();
  });

  it('bad call: leaves out buckets that there are not', () => {
    const counts = new LatencyCounts();
    counts.add([
      [-1, 5],
      [1e6, 5],
      [latencyBucket(10), 1],
    ]);
    expect(counts.percentile(1)).toBe(bucketMs(latencyBucket(10)));
  });
});
