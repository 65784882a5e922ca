import { type GraphVariant, pointName, type ProfileEntry, type ProfilePoint } from '@tetris/invoker-extension';
/** Which configurations are measured next, and which are hopeless. Pure. */

export interface SweepSpace {
  variants: readonly GraphVariant[];
  cpus: readonly number[];
  concurrencies: readonly number[];
  threads: readonly number[];
  batches: readonly number[];
  /** Memory limits of an instance, bytes, ascending: each configuration is measured in the least in which it runs. */
  memoryLimits: readonly number[];
  /** Latency objective; undefined: nothing is hopeless. */
  sloMs?: number;
}

/** A row whose median exceeds the objective this many times ends its line: larger batches are slower still. */
const HOPELESS_FACTOR = 2;

/** Every configuration worth asking about: no more threads and workers than the share of cores can run. */
export function pointsOf(space: SweepSpace): ProfilePoint[] {
  const points: ProfilePoint[] = [];
  for (const variant of space.variants) {
    for (const cpu of space.cpus) {
      for (const concurrency of space.concurrencies) {
        for (const threads of space.threads) {
          if (concurrency * threads > Math.max(1, Math.ceil(cpu))) continue;
          for (const batch of space.batches) points.push({ variant, cpu, concurrency, threads, batch });
        }
      }
    }
  }
  return points;
}

/**
 * What is left to measure, in the order of interest: within a line of equal shape, small batches first, so that a line
 * can be given up early. Resuming is asking again with the entries made so far.
 */
export function remaining(space: SweepSpace, entries: readonly ProfileEntry[]): ProfilePoint[] {
  const known = entries.filter((entry) => entry.source !== 'estimated' && !isWorthMoreMemory(entry, space));
  const done = new Set(known.map(({ point }) => pointName(point)));
  const hopeless = known.filter((entry) => isHopeless(entry, space.sloMs));
  return pointsOf(space)
    .filter((point) => !done.has(pointName(point)) && !hopeless.some((entry) => dominates(entry.point, point)))
    .sort((one, other) => one.batch - other.batch);
}

/** It failed for want of memory, and more is allowed now. */
function isWorthMoreMemory(entry: ProfileEntry, { memoryLimits }: SweepSpace): boolean {
  if (entry.source !== 'failed' || entry.limitBytes === undefined) return false;
  return entry.limitBytes < Math.max(...memoryLimits);
}

/**
 * The limits to try a configuration in, one after the other: none that did not hold less of the same. Never empty.
 * Instances are killed by their limit as in production, so that a limit is never a guess.
 */
export function limitsFor(
  point: ProfilePoint,
  { memoryLimits }: Pick<SweepSpace, 'memoryLimits'>,
  entries: readonly ProfileEntry[],
): number[] {
  const least = entries
    .filter((entry) => entry.source === 'measured' && needsNoLess(point, entry.point))
    .map((entry) => (entry.source === 'measured' ? (entry.measurement.limitBytes ?? 0) : 0));
  const enough = memoryLimits.filter((bytes) => bytes >= Math.max(0, ...least));
  return enough.length > 0 ? enough : memoryLimits.slice(-1);
}

/** Is `point` like `other`, but for more of what takes memory? */
const needsNoLess = (point: ProfilePoint, other: ProfilePoint): boolean =>
  point.variant === other.variant &&
  point.concurrency >= other.concurrency &&
  point.threads >= other.threads &&
  point.batch >= other.batch;

function isHopeless(entry: ProfileEntry, sloMs: number | undefined): boolean {
  if (entry.source === 'failed') return true;
  if (entry.source === 'estimated' || sloMs === undefined) return false;
  return entry.measurement.p50Ms > HOPELESS_FACTOR * sloMs;
}

/** Does `point` lie further along the same line as `known`: the same but for a larger batch? */
function dominates(known: ProfilePoint, point: ProfilePoint): boolean {
  return (
    known.variant === point.variant &&
    known.cpu === point.cpu &&
    known.concurrency === point.concurrency &&
    known.threads === point.threads &&
    known.batch <= point.batch
  );
}
