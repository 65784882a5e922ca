/**
 * What an action costs in each shape, learned while it serves. Pure, bounded by shapes x samples.
 *
 * A shape that has served tells its own figures; one that was profiled keeps the profile's until reality drifts from
 * them, and then all of the profile moves with what was seen; the rest is estimated from the nearest known shape,
 * a little too well, so that a shape worth trying is tried, and believed only once it has served.
 */
import { movingMean, TAIL } from '@tetris/common/clock';
import { percentile } from './percentile';
import { type InstanceShape, type ProfileRow, sameShape } from './profile';

export interface OnlineProfileOptions {
  /** Shapes that may be planned although nobody has measured them. */
  shapes: readonly InstanceShape[];
  /** Shapes known at most, given ones included. */
  shapesMax: number;
  /** Latest execution times kept of a shape. */
  samples: number;
  /** So many of them before they are believed. */
  samplesMin: number;
  /**
   * Executions in other shapes after which what was learned of one is forgotten: it may have been learned in bad times.
   */
  forgetAfter: number;
  /** Share by which a figure may differ from what is believed before it replaces it; keeps plans from flapping. */
  drift: number;
  /** What the smallest instance is taken to need until one was measured. */
  unknownBytes: number;
}

export interface LearnedRow extends ProfileRow {
  /** `given` by the profiler, `learned` from completions, `estimated` from a neighbour. */
  source: 'given' | 'learned' | 'estimated';
}

interface Known {
  shape: InstanceShape;
  given: ProfileRow | undefined;
  /** Ring of the latest execution times, ms. */
  times: number[];
  next: number;
  /** Executions of all shapes when it was executed last. */
  seenAt: number;
  /** What is believed; changed by drifts only. */
  latencyMs: number | undefined;
  meanMs: number | undefined;
  privateBytes: number | undefined;
}

/** Weight of the newest sample of private bytes. */
const BYTES_WEIGHT = 0.3;

/**
 * How execution time grows with each request that joins a batch, how threads shorten it, what workers and batches add
 * to memory.
 */
const LAW = { batch: 0.7, threads: 0.7, workerBytes: 0.3, batchBytes: 0.02 };

export class OnlineProfile {
  readonly #options: OnlineProfileOptions;
  readonly #known: Known[] = [];
  #executions = 0;

  constructor(options: OnlineProfileOptions, given: readonly ProfileRow[] = []) {
    this.#options = options;
    this.given(given);
  }

  /** The profiler's figures; what was learned stays beside them. */
  given(rows: readonly ProfileRow[]): void {
    for (const row of rows) {
      const known = this.#entry(row);
      if (known !== undefined) known.given = row;
    }
  }

  /** A full batch was executed in this shape. */
  ran(shape: InstanceShape, executionMs: number): void {
    const { samples, samplesMin } = this.#options;
    const known = this.#entry(shape);
    if (known === undefined || !(executionMs > 0)) return;
    this.#executions += 1;
    if (this.#isForgotten(known)) Object.assign(known, { times: [], next: 0, latencyMs: undefined, meanMs: undefined });
    known.seenAt = this.#executions;
    known.times[known.next % samples] = executionMs;
    known.next += 1;
    // Looked at once in a while: a sort for each completion would cost more than it tells.
    if (known.next % samplesMin !== 0) return;
    known.latencyMs = this.#drifted(known.latencyMs, percentile(known.times, TAIL.share));
    known.meanMs = this.#drifted(known.meanMs, mean(known.times));
  }

  /** Private bytes of an instance of this shape at work. */
  measured(shape: InstanceShape, privateBytes: number): void {
    const known = this.#entry(shape);
    if (known === undefined || !(privateBytes > 0)) return;
    known.privateBytes = movingMean(known.privateBytes, privateBytes, BYTES_WEIGHT);
  }

  /** Every shape that may be planned. Empty while nothing is known at all. */
  rows(): LearnedRow[] {
    const correction = this.#correction();
    const certain = this.#known.flatMap((known) => {
      const remembered = this.#isForgotten(known) ? { ...known, latencyMs: undefined } : known;
      return certainRow(remembered, correction, this.#options.unknownBytes) ?? [];
    });
    if (certain.length === 0) return [];
    const believed = certain.map((row) => asUnderLoad(row, certain));
    const open = [...this.#options.shapes, ...this.#known.map(({ shape }) => shape)].filter(
      (shape, at, all) =>
        !believed.some((row) => sameShape(row, shape)) && all.findIndex((other) => sameShape(other, shape)) === at,
    );
    return [...believed, ...open.map((shape) => estimated(shape, believed))];
  }

  #entry({ cpu, concurrency, batch }: InstanceShape): Known | undefined {
    const shape = { cpu, concurrency, batch };
    const found = this.#known.find((known) => sameShape(known.shape, shape));
    if (found !== undefined || this.#known.length >= this.#options.shapesMax) return found;
    const known: Known = {
      shape,
      given: undefined,
      times: [],
      next: 0,
      seenAt: this.#executions,
      latencyMs: undefined,
      meanMs: undefined,
      privateBytes: undefined,
    };
    this.#known.push(known);
    return known;
  }

  #isForgotten({ seenAt }: Known): boolean {
    return this.#executions - seenAt > this.#options.forgetAfter;
  }

  #drifted(believed: number | undefined, seen: number): number {
    if (believed === undefined) return seen;
    return Math.abs(seen - believed) > this.#options.drift * believed ? seen : believed;
  }

  /** How much slower than profiled the profiled shapes are that have served: the median ratio, 1 within the drift. */
  #correction(): number {
    const ratios = this.#known.flatMap(({ given, latencyMs }) =>
      given === undefined || latencyMs === undefined ? [] : [latencyMs / given.latencyMs],
    );
    const median = ratios.sort((one, other) => one - other)[Math.floor(ratios.length / 2)] ?? 1;
    return Math.abs(median - 1) > this.#options.drift ? median : 1;
  }
}

/** What is known of the shape itself. */
function certainRow(
  { shape, given, latencyMs, meanMs, privateBytes }: Known,
  correction: number,
  unknownBytes: number,
): LearnedRow | undefined {
  const bytes = privateBytes ?? given?.privateBytes ?? unknownBytes * size(shape);
  if (latencyMs !== undefined && meanMs !== undefined) {
    return { ...shape, latencyMs, meanMs: Math.min(meanMs, latencyMs), privateBytes: bytes, source: 'learned' };
  }
  if (given === undefined) return undefined;
  return { ...shape, latencyMs: given.latencyMs * correction, privateBytes: bytes, source: 'given' };
}

/**
 * A learned row as it would be under the load of larger batches: these form when much is asked for and all cores are
 * busy, small ones when little is. A request in a batch takes no longer than one in a smaller batch, so where it seems
 * to, the small ones were learned in better times.
 */
function asUnderLoad(row: LearnedRow, rows: readonly LearnedRow[]): LearnedRow {
  if (row.source !== 'learned') return row;
  const larger = rows.filter(
    ({ source, cpu, concurrency, batch }) =>
      source === 'learned' && cpu === row.cpu && concurrency === row.concurrency && batch > row.batch,
  );
  const atLeast = (own: number, figure: (other: LearnedRow) => number): number =>
    Math.max(own, ...larger.map((other) => (figure(other) * row.batch) / other.batch));
  const latencyMs = atLeast(row.latencyMs, (other) => other.latencyMs);
  const meanMs = atLeast(row.meanMs ?? row.latencyMs, (other) => other.meanMs ?? other.latencyMs);
  return { ...row, latencyMs, meanMs };
}

/** The nearest known shape's figures, carried over by the law. */
function estimated(shape: InstanceShape, rows: readonly LearnedRow[]): LearnedRow {
  const near = rows.reduce((best, row) => (distance(row, shape) < distance(best, shape) ? row : best));
  const more = work(shape) / work(near);
  return {
    ...shape,
    latencyMs: near.latencyMs * more,
    meanMs: (near.meanMs ?? near.latencyMs) * more,
    privateBytes: (near.privateBytes * size(shape)) / size(near),
    source: 'estimated',
  };
}

const work = ({ cpu, concurrency, batch }: InstanceShape): number =>
  (1 + LAW.batch * (batch - 1)) / (cpu / concurrency) ** LAW.threads;

const size = ({ concurrency, batch }: InstanceShape): number =>
  1 + LAW.workerBytes * (concurrency - 1) + LAW.batchBytes * (batch - 1);

const distance = (one: InstanceShape, other: InstanceShape): number =>
  Math.abs(Math.log2(one.cpu / other.cpu)) +
  Math.abs(Math.log2(one.concurrency / other.concurrency)) +
  Math.abs(Math.log2(one.batch / other.batch));

const mean = (times: readonly number[]): number => times.reduce((sum, time) => sum + time, 0) / times.length;

/**
 * Shapes of one thread a worker, with workers and batches in powers of two up to the bounds: fine enough to choose
 * from, few enough to learn.
 */
export function shapesUpTo(concurrencyMax: number, batchMax: number): InstanceShape[] {
  return powersUpTo(concurrencyMax).flatMap((concurrency) =>
    powersUpTo(batchMax).map((batch) => ({ cpu: concurrency, concurrency, batch })),
  );
}

function powersUpTo(max: number): number[] {
  return Array.from({ length: Math.floor(Math.log2(max)) + 1 }, (_, exponent) => 2 ** exponent);
}
