/** The largest rate over all functions at which requests are in time, within some memory. */
import { megabytes, relativeError, rounded } from '../measure/statistics';
import type { ServedModel } from '../evaluation/served-model';
import { poissonArrivals } from '../sharing/arrivals';
import { serviceOf } from '../sharing/attainment';
import { openLoop } from '../sharing/open-loop';
import type { Peer, Served, Tuning } from './peer';
import { largestRate, type RatePoint } from './rate-search';

/** INFless's objective for ResNet-50, ms. */
const SLO_MS = 300;
const ATTAINMENT = 0.99;
const PROBES = 5;
const SEED = 20_221;
const IN_FLIGHT_MAX = 1_000;
/** An answer may differ so much from that of a single run: batches take other paths through the kernels. */
const RELATIVE_ERROR_MAX = 1e-3;
/** Inputs that are asked about in turn. */
const SEEDS = 8;

/** Instances of each function, the most that the memory has room for. */
const INSTANCES = [2, 1] as const;

export interface RateRow {
  sloMs: number;
  functions: number;
  instances: number;
  tuning: Tuning;
  /** Memory after the load, MB. */
  mb: number;
  /** Answers per second of closed loops, by tuning. */
  closed: { tuning: Tuning; perSecond: number }[];
  /** Largest rate with 99 of 100 in time, per second. */
  rate: number;
  points: RatePoint[];
}

type Closed = RateRow['closed'][number];

/**
 * The tuning that answers most in closed loops is kept; the search is the same for every peer.
 *
 * @param models are served all at once, requests go to each in turn
 */
export async function rateWithin(
  peer: Peer,
  models: readonly ServedModel[],
  { roomMb, quick }: { roomMb: number; quick: boolean },
): Promise<RateRow> {
  const [closedMs, probeMs] = quick ? [300, 500] : [2_500, 6_000];
  const { instances, closed } = await tuned(peer, models, roomMb, closedMs);
  const [best] = [...closed].sort((one, other) => other.perSecond - one.perSecond);
  if (best === undefined) throw new Error('the peer has no tuning');
  return withServed(peer, models, instances, best.tuning, async (served) => {
    const references = await referencesOf(served, models.length);
    await closedLoop(served, models.length, closedMs);
    const search = { above: 1.2 * best.perSecond, probes: quick ? 2 : PROBES, attainment: ATTAINMENT };
    const { rate, points } = await largestRate(search, (each) => attainmentAt(served, references, each, probeMs));
    return {
      sloMs: SLO_MS,
      functions: models.length,
      instances,
      tuning: best.tuning,
      mb: rounded(megabytes(await served.memoryBytes()), 1),
      closed,
      rate: rounded(rate, 1),
      points: points.map((point) => ({ ...point, rate: rounded(point.rate, 1) })),
    };
  });
}

/** Closed loops in every tuning, with the most instances of each function that fit. */
async function tuned(
  peer: Peer,
  models: readonly ServedModel[],
  roomMb: number,
  closedMs: number,
): Promise<{ instances: number; closed: Closed[] }> {
  const [first, ...others] = peer.tunings;
  if (first === undefined) throw new Error('the peer has no tuning');
  const closedAt = (instances: number, tuning: Tuning): Promise<Closed & { mb: number }> =>
    withServed(peer, models, instances, tuning, async (served) => {
      await closedLoop(served, models.length, closedMs / 2);
      const perSecond = rounded(await closedLoop(served, models.length, closedMs), 1);
      return { tuning, perSecond, mb: megabytes(await served.memoryBytes()) };
    });
  const [most, fewest] = INSTANCES;
  const many = await closedAt(most, first);
  const [instances, one] = many.mb <= roomMb ? [most, many] : [fewest, await closedAt(fewest, first)];
  const closed = [one];
  for (const tuning of others) closed.push(await closedAt(instances, tuning));
  return { instances, closed: closed.map(({ tuning, perSecond }) => ({ tuning, perSecond })) };
}

async function withServed<T>(
  peer: Peer,
  models: readonly ServedModel[],
  instances: number,
  tuning: Tuning,
  use: (served: Served) => Promise<T>,
): Promise<T> {
  const served = await peer.start({ models, instances, ...tuning, sloMs: SLO_MS });
  try {
    return await use(served);
  } finally {
    await served.stop();
  }
}

/** Answers per second where eight callers of each function ask again as soon as they were answered. */
async function closedLoop(served: Served, functions: number, forMs: number): Promise<number> {
  const startMs = performance.now();
  let answered = 0;
  const caller = async (at: number): Promise<void> => {
    while (performance.now() - startMs < forMs) {
      await served.ask(at, { seed: 1 + (answered % SEEDS) });
      answered += 1;
    }
  };
  await Promise.all(Array.from({ length: 8 * functions }, (_, at) => caller(at % functions)));
  return (1000 * answered) / (performance.now() - startMs);
}

/** Single answers, by function and input. */
async function referencesOf(served: Served, functions: number): Promise<number[][][]> {
  const references: number[][][] = [];
  for (let at = 0; at < functions; at += 1) {
    const answers: number[][] = [];
    for (let seed = 1; seed <= SEEDS; seed += 1) answers.push((await served.ask(at, { seed })).logits);
    references.push(answers);
  }
  return references;
}

async function attainmentAt(
  served: Served,
  references: readonly (readonly number[][])[],
  rate: number,
  forMs: number,
): Promise<number> {
  const functions = references.length;
  const times = poissonArrivals([{ durationMs: forMs, rate }], SEED);
  if (times.length === 0) return 1;
  const outcomes = await openLoop({
    times,
    send: async (index) => {
      const [at, seed] = [index % functions, Math.floor(index / functions) % SEEDS];
      const { logits } = await served.ask(at, { seed: seed + 1 });
      return relativeError(logits, references[at]?.[seed] ?? []) <= RELATIVE_ERROR_MAX;
    },
    inFlightMax: IN_FLIGHT_MAX,
    graceMs: 2 * SLO_MS,
  });
  return serviceOf(outcomes, { fromMs: 0, toMs: forMs }, SLO_MS).sloAttainment;
}
