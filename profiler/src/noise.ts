/** Whether a measurement is to be trusted. Pure. */
import type { Measurement } from '@tetris/invoker-extension';

/** The 95th percentile this many times the median: something else was in the way. */
const SPREAD_MAX = 3;

/** Other work than this, in cores, is seen in the figures. */
const OTHERS_MAX = 0.5;

/** What makes it doubtful, in words; undefined where nothing does. */
export function noiseOf({ p50Ms, p95Ms, othersCores = 0 }: Measurement): string | undefined {
  const spread = p95Ms / Math.max(p50Ms, Number.MIN_VALUE);
  const problems = [
    ...(spread > SPREAD_MAX ? [`p95 is ${spread.toFixed(0)} times p50`] : []),
    ...(othersCores > OTHERS_MAX ? [`other work kept ${othersCores.toFixed(1)} cores busy`] : []),
  ];
  return problems.length === 0 ? undefined : `${problems.join(', ')}: measure again on a quiet machine`;
}
