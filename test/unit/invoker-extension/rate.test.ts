import { RateEstimator } from '../../../invoker-extension/src/scaling/rate';

const options = { bucketMs: 1000, windowBuckets: 3, halfLifeMs: 10_000 };

describe('RateEstimator', () => {
  it('follows a burst within one bucket', () => {
    const estimator = new RateEstimator(options, 0);
    estimator.arrived(100, 50);
    expect(estimator.estimate(1000)).toBe(50);
  });

  it('forgets a burst after the window, but for the average that halves in its half-life', () => {
    const estimator = new RateEstimator(options, 0);
    for (let second = 0; second < 120; second += 1) estimator.arrived(second * 1000 + 1, 20);
    expect(estimator.estimate(120_000)).toBeCloseTo(20, 1);
    const later = estimator.estimate(130_000);
    expect(later).toBeGreaterThan(9);
    expect(later).toBeLessThan(11);
  });

  it('is zero when nothing ever came, and stays finite after a long silence', () => {
    const estimator = new RateEstimator(options, 0);
    expect(estimator.estimate(1e9)).toBe(0);
    estimator.arrived(1e9 + 1);
    expect(estimator.estimate(2e9)).toBeCloseTo(0, 6);
  });
});
