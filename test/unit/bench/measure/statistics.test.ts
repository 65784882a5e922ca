import { median, relativeError } from '../../../../bench/src/measure/statistics';

describe('median', () => {
  it('is the middle, or the mean of the two in the middle', () => {
    expect(median([5, 1, 9])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow(RangeError);
  });
});

describe('relative error', () => {
  it('is relative to the largest expected value', () => {
    expect(relativeError([1, -4], [1, -4])).toBe(0);
    expect(relativeError([1.004, -4], [1, -4])).toBeCloseTo(0.001);
  });

  it('is infinite where the answers cannot be compared', () => {
    expect(relativeError([1], [1, 2])).toBe(Infinity);
    expect(relativeError([], [])).toBe(Infinity);
    expect(relativeError([NaN], [1])).toBe(Infinity);
    expect(relativeError([1], [NaN])).toBe(Infinity);
  });
});
