import { RateEstimator } from '../../../invoker-extension/src/scaling/rate';
import { fixedSeed, fractionsFrom } from '../../support/random';

const OPTIONS = { bucketMs: 1000, shortMs: 3_000, longMs: 60_000, confidence: 1.64 };

/** An estimator that has seen Poisson arrivals at rates by second. */
function after(seconds: number, rateAt: (second: number) => number, random: () => number): RateEstimator {
  const estimator = new RateEstimator(OPTIONS, 0);
  for (let second = 0; second < seconds; second += 1) {
    for (let atMs = 0; rateAt(second) > 0;) {
      atMs -= (1000 * Math.log(1 - random())) / rateAt(second);
      if (atMs >= 1000) break;
      estimator.arrived(second * 1000 + atMs);
    }
  }
  return estimator;
}

describe('RateEstimator', () => {
  const seed = fixedSeed();

  it('is above a steady rate by little, however few requests come', () => {
    const random = fractionsFrom(seed);
    for (const rate of [1, 5, 20, 100]) {
      const estimates = Array.from({ length: 50 }, () => after(60, () => rate, random).estimate(60_000));
      const mean = estimates.reduce((sum, each) => sum + each, 0) / estimates.length;
      expect({ seed, rate, low: mean > rate }).toEqual({ seed, rate, low: true });
      // 1.64 deviations of the mean of a minute, and what variation is estimated to be beyond that.
      expect(mean).toBeLessThan(rate + 3 * Math.sqrt(rate / 60) + 0.02 * rate);
    }
  });

  it('follows a burst within one bucket', () => {
    const estimator = after(60, (second) => (second < 57 ? 10 : 60), fractionsFrom(seed));
    expect(estimator.estimate(60_000)).toBeGreaterThan(50);
    expect(estimator.recent(60_000)).toBeGreaterThan(50);
  });

  it('remembers a rate for the long window, and asks for nothing more after the short one', () => {
    const estimator = after(60, (second) => (second < 50 ? 20 : 0), fractionsFrom(seed));
    expect(estimator.estimate(60_000)).toBeGreaterThan(10);
    expect(estimator.recent(60_000)).toBe(0);
    expect(estimator.estimate(200_000)).toBe(0);
  });

  it('takes a rate that climbs for no variation, and bursts for one', () => {
    const random = fractionsFrom(seed);
    expect(after(60, (second) => 20 + second, random).variability).toBeLessThan(2);
    expect(after(60, (second) => (second % 2 === 0 ? 60 : 0), random).variability).toBeGreaterThan(10);
  });

  it('is zero when nothing ever came', () => {
    const estimator = new RateEstimator(OPTIONS, 0);
    expect([estimator.estimate(1e9), estimator.recent(1e9), estimator.variability]).toEqual([0, 0, 1]);
  });
});
