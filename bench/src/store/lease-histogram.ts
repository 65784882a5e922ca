const BUCKET = /^tetris_daemon_lease_seconds_bucket\{le="([^"]+)",warm="true"\} (\S+)$/gm;

/** Warm leases by upper bound of their time, in Prometheus text. */
function buckets(metrics: string): Map<number, number> {
  return new Map(
    [...metrics.matchAll(BUCKET)].map(([, bound, count]) => [
      Number(bound?.replace('+Inf', 'Infinity')),
      Number(count),
    ]),
  );
}

/**
 * A quantile of the time that the daemon itself took for warm leases between two readings of its metrics, interpolated
 * within the histogram's bucket as Prometheus does it.
 */
export function leaseQuantileMs(before: string, after: string, quantile: number): number {
  const earlier = buckets(before);
  const counts = [...buckets(after)].map(([bound, count]): [number, number] => [
    bound,
    count - (earlier.get(bound) ?? 0),
  ]);
  const rank = quantile * (counts.at(-1)?.[1] ?? 0);
  let [lower, below] = [0, 0];
  for (const [bound, count] of counts) {
    if (count >= rank && count > 0) {
      return 1000 * (bound === Infinity ? lower : lower + ((bound - lower) * (rank - below)) / (count - below));
    }
    [lower, below] = [bound, count];
  }
  return Number.NaN;
}
