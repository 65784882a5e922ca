/**
 * Run time of each model of the zoo in an instance over that in a plain process, in turns, at several batch sizes; and of
 * a second plain process over the first, which tells how much of the ratio is the machine's.
 */
import { removeFolder, temporaryFolder } from '@tetris/common';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { createProgress } from '../demo/progress';
import { median, percentileOf, relativeError, rounded } from '../measure/statistics';
import type { Suite, SuiteOptions, SuiteResult } from '../suite';
import { ZOO } from '../zoo/zoo';
import { type FleetInstance, withStock, withTetris } from './fleet';
import { chosenRows, measureRows } from './rows';
import { nameOf, ownModel, type ServedModel, servedModel } from './served-model';

const BATCHES = [1, 4, 16];
const QUICK = { models: ['textcnn', 'dssm'], batches: [1], forMs: 1_000, rests: 1 };

/** Time for all sides of one model and batch, and the runs of each that it gives at most. */
const FOR_MS = 18_000;
const RUNS_MAX = 20_000;
/** Where runs are slow there are to be so many of each, if they fit into that time; three in any case. */
const RUNS_WANTED = 20;
const SLOW_FOR_MS = 60_000;
const RUNS_MIN = 3;
/**
 * Time of the runs in a row on one side. The caches of a side are its own soon, and the others, which wait meanwhile,
 * do not come to rest: what a run after a rest takes is another figure.
 */
const TURN_MS = 500;
/** Rests of all sides, after which each runs once: two seconds more than an instance waits until it is at rest. */
const REST_MS = 4_000;
const RESTS = 3;
/** Quick runs after the first, which is a slow one, by which it is told how long a run takes; one where they are slow. */
const WARM_UP_RUNS = 3;

/** Time for the runs at one batch size, ms, and how many rests there are. */
interface Effort {
  forMs: number;
  rests: number;
}

/** An instance's run time over a plain process's. */
interface Ratios {
  p50Ratio: number;
  p99Ratio: number;
  /** The same of a second plain process over the first. */
  plainP50Ratio: number;
  plainP99Ratio: number;
}

/** Times of runs at one batch size, ms. */
interface LatencyPoint extends Ratios {
  batch: number;
  /** On each side. */
  runs: number;
  tetrisMs: Percentiles;
  stockMs: Percentiles;
  /** Of the first run after a rest, medians; of single examples only. */
  restedRatio?: number;
  relativeError: number;
}

interface Percentiles {
  p50: number;
  p95: number;
  p99: number;
}

/** The instance, a plain process, and another. */
type Sides = [FleetInstance, FleetInstance, FleetInstance];

interface LatencyRow {
  name: string;
  points: LatencyPoint[];
}

async function run(options: SuiteOptions): Promise<SuiteResult> {
  const { quick = false, only, model: own } = options;
  const zoo = quick ? QUICK.models : Object.keys(ZOO);
  const models = chosenRows(own === undefined ? zoo : [nameOf(own)], only);
  const batches = quick ? QUICK.batches : BATCHES;
  const progress = createProgress(models.length * batches.length, process.stderr);
  const measure = async (name: string): Promise<LatencyRow> => {
    const modelIn = (folder: string): Promise<ServedModel> =>
      own === undefined ? servedModel(name, folder) : ownModel(own, folder);
    const each = (batch: number): void => progress.step(`${name}: batches of ${batch}`);
    return { name, points: await compared(modelIn, batches, quick ? QUICK : { forMs: FOR_MS, rests: RESTS }, each) };
  };
  const result = await measureRows(models, options, measure, figuresOf);
  progress.stop();
  return result;
}

function figuresOf(rows: readonly LatencyRow[]): SuiteResult {
  const points = rows.flatMap((row) => row.points);
  return {
    ...ratiosOf(points, (values) => Math.max(...values)),
    medians: ratiosOf(points, median),
    restedRatio: Math.max(...points.map(({ restedRatio = 0 }) => restedRatio)),
    maxRelativeError: Math.max(...points.map((point) => point.relativeError)),
    rows,
  };
}

/** What all points have together: the worst, or the one in the middle. */
function ratiosOf(points: readonly LatencyPoint[], together: (values: number[]) => number): Ratios {
  return {
    p50Ratio: rounded(together(points.map(({ p50Ratio }) => p50Ratio))),
    p99Ratio: rounded(together(points.map(({ p99Ratio }) => p99Ratio))),
    plainP50Ratio: rounded(together(points.map(({ plainP50Ratio }) => plainP50Ratio))),
    plainP99Ratio: rounded(together(points.map(({ plainP99Ratio }) => plainP99Ratio))),
  };
}

/** An instance and two plain processes of one model, all alive, one at work at a time. */
async function compared(
  modelIn: (folder: string) => Promise<ServedModel>,
  batches: readonly number[],
  effort: Effort,
  each: (batch: number) => void,
): Promise<LatencyPoint[]> {
  const folder = await temporaryFolder(tmpdir());
  try {
    const model = await modelIn(folder);
    return await withTetris(folder)((tetris) =>
      withStock()(async (stock) => {
        const sides: Sides = [await tetris.start(model), await stock.start(model), await stock.start(model)];
        const points: LatencyPoint[] = [];
        for (const batch of batches) {
          each(batch);
          points.push(await pointOf(sides, batch, effort));
        }
        return points;
      }),
    );
  } finally {
    await removeFolder(folder);
  }
}

async function pointOf(sides: Sides, batch: number, { forMs, rests }: Effort): Promise<LatencyPoint> {
  const first = await onEach(sides, (side) => side.run({ batch, runs: 1 }));
  const areQuick = Math.max(...first.flatMap(({ runMs }) => runMs)) < TURN_MS;
  const warm = await onEach(sides, (side) => side.run({ batch, runs: areQuick ? WARM_UP_RUNS : 1 }));
  const typicalMs = Math.max(...warm.map(({ runMs }) => median(runMs)));
  const turn = { batch, runs: Math.max(1, Math.floor(TURN_MS / typicalMs)) };
  const wanted = runsWanted(forMs, typicalMs * sides.length);
  const times: [number[], number[], number[]] = [[], [], []];
  while (times[0].length < wanted) {
    const reports = await onEach(sides, (side) => side.run(turn));
    reports.forEach(({ runMs }, at) => times[at]?.push(...runMs));
  }
  const [ours, plain, again] = times;
  const ratio = (over: readonly number[], share: number): number =>
    rounded(percentileOf(over, share) / percentileOf(plain, share));
  return {
    batch,
    runs: ours.length,
    tetrisMs: percentiles(ours),
    stockMs: percentiles(plain),
    p50Ratio: ratio(ours, 0.5),
    p99Ratio: ratio(ours, 0.99),
    plainP50Ratio: ratio(again, 0.5),
    plainP99Ratio: ratio(again, 0.99),
    ...(batch === 1 && { restedRatio: await restedRatio(sides, { rests, restMs: REST_MS + typicalMs }) }),
    relativeError: relativeError(first[0].logits, first[1].logits),
  };
}

/** @param roundMs what one run of each side takes */
function runsWanted(forMs: number, roundMs: number): number {
  const slow = Math.max(RUNS_MIN, Math.min(RUNS_WANTED, Math.floor(SLOW_FOR_MS / roundMs)));
  return Math.min(RUNS_MAX, Math.max(slow, Math.floor(forMs / roundMs)));
}

async function onEach<T>(sides: Sides, work: (side: FleetInstance) => Promise<T>): Promise<[T, T, T]> {
  return [await work(sides[0]), await work(sides[1]), await work(sides[2])];
}

/** All rest at the same time, and run one after the other. */
async function restedRatio(sides: Sides, { rests, restMs }: { rests: number; restMs: number }): Promise<number> {
  const times: [number[], number[]] = [[], []];
  for (let rest = 0; rest < rests; rest += 1) {
    await delay(restMs);
    const reports = await onEach(sides, (side) => side.run({ batch: 1, runs: 1 }));
    times.forEach((list, at) => list.push(...(reports[at]?.runMs ?? [])));
  }
  return rounded(median(times[0]) / median(times[1]));
}

function percentiles(times: readonly number[]): Percentiles {
  const at = (share: number): number => rounded(percentileOf(times, share), 2);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

export const suite: Suite = { run };
