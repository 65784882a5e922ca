/** Run time of each model of the zoo in an instance over that in a plain process, in turns, at several batch sizes. */
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

/** Time for both sides of one model and batch, and the runs of each that it gives at least and at most. */
const FOR_MS = 12_000;
const RUNS_MIN = 20;
const RUNS_MAX = 20_000;
/**
 * Time of the runs in a row on one side. The caches of a side are its own soon, and the other side, which waits
 * meanwhile, does not come to rest: what a run after a rest takes is another figure.
 */
const TURN_MS = 500;
/** Rests of both sides, after which each runs once: twice what an instance waits until it counts as at rest. */
const REST_MS = 4_000;
const RESTS = 3;

/** Time for the runs at one batch size, ms, and how many rests there are. */
interface Effort {
  forMs: number;
  rests: number;
}

/** Times of runs at one batch size, ms. */
interface LatencyPoint {
  batch: number;
  /** On each side. */
  runs: number;
  tetrisMs: Percentiles;
  stockMs: Percentiles;
  p50Ratio: number;
  p99Ratio: number;
  /** Of the first run after a rest, medians; of single examples only. */
  restedRatio?: number;
  relativeError: number;
}

interface Percentiles {
  p50: number;
  p95: number;
  p99: number;
}

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
    p50Ratio: Math.max(...points.map(({ p50Ratio }) => p50Ratio)),
    p99Ratio: Math.max(...points.map(({ p99Ratio }) => p99Ratio)),
    restedRatio: Math.max(...points.map(({ restedRatio = 0 }) => restedRatio)),
    maxRelativeError: Math.max(...points.map((point) => point.relativeError)),
    rows,
  };
}

/** An instance and a plain process of one model, both alive, one at work at a time. */
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
        const sides: [FleetInstance, FleetInstance] = [await tetris.start(model), await stock.start(model)];
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

async function pointOf(
  [ours, theirs]: [FleetInstance, FleetInstance],
  batch: number,
  { forMs, rests }: Effort,
): Promise<LatencyPoint> {
  const [our, their] = [await ours.run({ batch, runs: 3 }), await theirs.run({ batch, runs: 3 })];
  const typicalMs = Math.max(median(our.runMs), median(their.runMs));
  const wanted = Math.min(RUNS_MAX, Math.max(RUNS_MIN, Math.floor(forMs / (2 * typicalMs))));
  const turn = { batch, runs: Math.max(1, Math.floor(TURN_MS / typicalMs)) };
  const [ourMs, theirMs]: [number[], number[]] = [[], []];
  while (ourMs.length < wanted) {
    ourMs.push(...(await ours.run(turn)).runMs);
    theirMs.push(...(await theirs.run(turn)).runMs);
  }
  const ratioAt = (share: number): number => rounded(percentileOf(ourMs, share) / percentileOf(theirMs, share));
  return {
    batch,
    runs: ourMs.length,
    tetrisMs: percentiles(ourMs),
    stockMs: percentiles(theirMs),
    p50Ratio: ratioAt(0.5),
    p99Ratio: ratioAt(0.99),
    ...(batch === 1 && { restedRatio: await restedRatio([ours, theirs], rests) }),
    relativeError: relativeError(our.logits, their.logits),
  };
}

/** Both rest at the same time, and run one after the other. */
async function restedRatio(sides: readonly [FleetInstance, FleetInstance], rests: number): Promise<number> {
  const times: [number[], number[]] = [[], []];
  for (let rest = 0; rest < rests; rest += 1) {
    await delay(REST_MS);
    for (const [at, side] of sides.entries()) times[at]?.push(...(await side.run({ batch: 1, runs: 1 })).runMs);
  }
  return rounded(median(times[0]) / median(times[1]));
}

function percentiles(times: readonly number[]): Percentiles {
  const at = (share: number): number => rounded(percentileOf(times, share), 2);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

export const suite: Suite = { run };
