import { type Measurement, pointName, type ProfileEntry, type ProfilePoint } from '@tetris/invoker-extension';
/**
 * Figures for configurations that were not run: a regression over those that were, per graph variant, as
 * All-You-Can-Inference does. Estimates say that they are estimates. Pure.
 */

type Measured = Extract<ProfileEntry, { source: 'measured' }>;
type Estimated = Extract<ProfileEntry, { source: 'estimated' }>;

/** Fewer measured rows than this of a variant and nothing is estimated. */
const ROWS_MIN = 3;

/** Keeps the normal equations solvable when rows repeat; small against squared features of order one. */
const RIDGE = 1e-6;

/**
 * Work per core and the fixed part: batches of work, contention of workers beyond the cores, threads sharing one batch.
 */
function featuresOf({ batch, concurrency, threads, cpu }: ProfilePoint): number[] {
  const load = Math.max(1, (concurrency * threads) / cpu);
  return [1, Math.log2(batch), Math.log2(threads), Math.log2(load), Math.log2(concurrency)];
}

/** Estimates for `points`; none for a variant with too few measurements, nor for points measured already. */
export function estimate(entries: readonly ProfileEntry[], points: readonly ProfilePoint[]): Estimated[] {
  const measured = entries.filter((entry): entry is Measured => entry.source === 'measured');
  const known = new Set(entries.map(({ point }) => pointName(point)));
  return [...new Set(points.map(({ variant }) => variant))].flatMap((variant) => {
    const rows = measured.filter(({ point }) => point.variant === variant);
    if (rows.length < ROWS_MIN) return [];
    const predict = {
      p50Ms: fit(rows, ({ p50Ms }) => p50Ms),
      p95Ms: fit(rows, ({ p95Ms }) => p95Ms),
      p99Ms: fit(rows, ({ p99Ms }) => p99Ms),
      loadMs: fit(rows, ({ loadMs }) => loadMs),
      peakBytes: fit(rows, ({ peakBytes }) => peakBytes),
      steadyBytes: fit(rows, ({ steadyBytes }) => steadyBytes),
    };
    return points
      .filter((point) => point.variant === variant && !known.has(pointName(point)))
      .map((point): Estimated => {
        const p50Ms = predict.p50Ms(point);
        const measurement: Measurement = {
          p50Ms,
          p95Ms: Math.max(p50Ms, predict.p95Ms(point)),
          p99Ms: Math.max(p50Ms, predict.p99Ms(point)),
          throughput: (1000 / p50Ms) * point.batch * point.concurrency,
          loadMs: predict.loadMs(point),
          peakBytes: predict.peakBytes(point),
          steadyBytes: predict.steadyBytes(point),
          samples: 0,
        };
        return { source: 'estimated', point, measurement };
      });
  });
}

/** Fits the logarithm, so that effects multiply and estimates stay positive. */
function fit(rows: readonly Measured[], figure: (measurement: Measurement) => number): (point: ProfilePoint) => number {
  const weights = leastSquares(
    rows.map(({ point }) => featuresOf(point)),
    rows.map(({ measurement }) => Math.log(Math.max(figure(measurement), Number.MIN_VALUE))),
  );
  return (point) => Math.exp(featuresOf(point).reduce((sum, feature, at) => sum + feature * (weights[at] ?? 0), 0));
}

/** Solves (X'X + ridge) w = X'y by elimination with pivoting; X is [rows, features]. */
function leastSquares(features: readonly number[][], targets: readonly number[]): number[] {
  const size = features[0]?.length ?? 0;
  const matrix = Array.from({ length: size }, (_, row) =>
    Array.from({ length: size + 1 }, (__, column) =>
      features.reduce(
        (sum, sample, at) => {
          const right = column === size ? (targets[at] ?? 0) : (sample[column] ?? 0);
          return sum + (sample[row] ?? 0) * right;
        },
        column === row ? RIDGE : 0,
      ),
    ),
  );
  for (let pivot = 0; pivot < size; pivot += 1) {
    const best = matrix
      .slice(pivot)
      .reduce(
        (top, line, at) => (Math.abs(line[pivot] ?? 0) > Math.abs(matrix[top]?.[pivot] ?? 0) ? pivot + at : top),
        pivot,
      );
    const swapped = matrix[best] ?? [];
    matrix[best] = matrix[pivot] ?? [];
    matrix[pivot] = swapped;
    for (const [index, line] of matrix.entries()) {
      if (index === pivot) continue;
      const factor = (line[pivot] ?? 0) / (swapped[pivot] ?? 1);
      for (let column = pivot; column <= size; column += 1)
        line[column] = (line[column] ?? 0) - factor * (swapped[column] ?? 0);
    }
  }
  return matrix.map((line, index) => (line[size] ?? 0) / (line[index] ?? 1));
}
