/** Which configuration to use under an objective, and how rows compare. Pure. */
import { cost, meetsSlo, type ProfileRow, serviceRate } from '../scaling/profile';
import { isConversion, type ProfileEntry, type ProfilePoint } from './result';

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
 * The measured entry that serves most per memory and core within the objective; undefined where none meets it. An
 * estimate is none to choose, and rows of converted forms are none either: their answers are others.
 */
export function choose(entries: readonly ProfileEntry[], sloMs: number, alpha: number): UsableEntry | undefined {
  return best(
    entries.filter(({ source }) => source === 'measured'),
    sloMs,
    alpha,
  );
}

/** The estimate that would be chosen if it were true: what is worth measuring next. */
export function mostPromising(
  entries: readonly ProfileEntry[],
  sloMs: number,
  alpha: number,
): ProfilePoint | undefined {
  const found = best(entries, sloMs, alpha);
  return found?.source === 'estimated' ? found.point : undefined;
}

function best(entries: readonly ProfileEntry[], sloMs: number, alpha: number): UsableEntry | undefined {
  const same = entries.filter(isUsable).filter(({ point }) => !isConversion(point.variant));
  const within = same.filter((entry) => meetsSlo(rowOf(entry), sloMs));
  const worth = (entry: UsableEntry): number => serviceRate(rowOf(entry)) / cost(rowOf(entry), alpha);
  return within.reduce<UsableEntry | undefined>(
    (found, entry) => (found === undefined || worth(entry) > worth(found) ? entry : found),
    undefined,
  );
}

/** Time of one request on one core's worth of an instance, ms: that of a batch, over what is executed at once. */
export const perRequestMs = ({ point, measurement }: UsableEntry): number =>
  measurement.p50Ms / (point.batch * point.concurrency);

/** Memory that an instance is given, bytes: its limit; where that is not known, what it takes at its peak. */
export const givenBytes = ({ measurement: { limitBytes, peakBytes } }: UsableEntry): number => limitBytes ?? peakBytes;

/**
 * Cost-performance against a base, as All-You-Can-Inference figure 5 has it: ratio of the memory sizes x ratio of the
 * latencies, of a request. 1 is the base, less is better.
 */
export function costPerformance(entry: UsableEntry, base: UsableEntry): number {
  return (givenBytes(entry) / givenBytes(base)) * (perRequestMs(entry) / perRequestMs(base));
}
