/** Which configuration to use under an objective, and how rows compare. Pure. */
import { cost, meetsSlo, type ProfileRow, serviceRate } from '../scaling/profile';
import type { Measurement, ProfileEntry, ProfilePoint } from './result';

export type UsableEntry = Exclude<ProfileEntry, { source: 'failed' }>;

export const isUsable = (entry: ProfileEntry): entry is UsableEntry => entry.source !== 'failed';

/** A profile's entry as the scaler wants it: the tail, not the median, must meet the objective. */
export function rowOf({ point, measurement }: UsableEntry): ProfileRow {
  return {
    cpu: point.cpu,
    concurrency: point.concurrency,
    batch: point.batch,
    latencyMs: measurement.p95Ms,
    privateBytes: measurement.steadyBytes,
  };
}

/**
 * What the scaler plans with: the graph that the runtime runs, each shape once. An instance keeps no more cores busy
 * than its workers have threads; where it was measured on several counts of cores, the fewest tell most of a busy node.
 */
export function plannedRows(entries: readonly ProfileEntry[]): ProfileRow[] {
  const fewest = new Map<string, UsableEntry>();
  for (const entry of entries.filter(isUsable)) {
    const { variant, cpu, concurrency, threads, batch } = entry.point;
    if (variant !== 'optimized' || cpu < concurrency * threads) continue;
    const shape = `${concurrency} ${threads} ${batch}`;
    if (cpu < (fewest.get(shape)?.point.cpu ?? Infinity)) fewest.set(shape, entry);
  }
  return [...fewest.values()].map((entry) => ({ ...rowOf(entry), cpu: entry.point.concurrency * entry.point.threads }));
}

/**
 * The entry that serves most per memory and core within the objective; undefined where none meets it. Rows of the int8
 * variant are none to choose: its answers are others.
 */
export function choose(entries: readonly ProfileEntry[], sloMs: number, alpha: number): UsableEntry | undefined {
  const same = entries.filter(isUsable).filter(({ point }) => point.variant !== 'int8');
  const within = same.filter((entry) => meetsSlo(rowOf(entry), sloMs));
  const worth = (entry: UsableEntry): number => serviceRate(rowOf(entry)) / cost(rowOf(entry), alpha);
  return within.reduce<UsableEntry | undefined>(
    (best, entry) => (best === undefined || worth(entry) > worth(best) ? entry : best),
    undefined,
  );
}

/**
 * Cost-performance against a base, as All-You-Can-Inference figure 5 has it: memory ratio x latency-per-request ratio.
 * 1 is the base, less is better.
 */
export function costPerformance(entry: UsableEntry, base: UsableEntry): number {
  const perRequestMs = ({ point, measurement }: { point: ProfilePoint; measurement: Measurement }): number =>
    measurement.p50Ms / (point.batch * point.concurrency);
  const memory = entry.measurement.steadyBytes / base.measurement.steadyBytes;
  return memory * (perRequestMs(entry) / perRequestMs(base));
}
