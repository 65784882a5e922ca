/** @throws RangeError where there is nothing to take the median of */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  if (low === undefined || high === undefined) throw new RangeError('the median of no values');
  return (low + high) / 2;
}

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

export const megabytes = (bytes: number): number => bytes / 1e6;

/** Rounded for a report: as many digits as a reader uses. */
export function rounded(value: number, digits = 3): number {
  return Number(value.toFixed(digits));
}

/**
 * The largest |actual - expected| relative to the largest |expected|: what a user of the whole output sees.
 * Infinity where the lengths differ or a number is not finite.
 */
export function relativeError(actual: readonly number[], expected: readonly number[]): number {
  if (actual.length !== expected.length || actual.length === 0) return Infinity;
  const scale = Math.max(...expected.map(Math.abs), Number.MIN_VALUE);
  const error = Math.max(...actual.map((value, index) => Math.abs(value - (expected[index] ?? NaN)))) / scale;
  return Number.isFinite(error) ? error : Infinity;
}

/** As {@link percentile}, of values in any order. */
export const percentileOf = (values: readonly number[], share: number): number =>
  percentile(
    [...values].sort((one, other) => one - other),
    share,
  );

/** The smallest value that so large a share does not exceed; infinite where there is none. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.ceil(share * sorted.length) - 1] ?? Infinity;
}
