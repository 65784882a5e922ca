/** Run time of each model of the zoo in an instance over that in a plain process, in turns, at several batch sizes. */
import { removeFolder, temporaryFolder } from '@tetris/common';
import { tmpdir } from 'node:os';
import { createProgress } from '../demo/progress';
import { percentileOf, relativeError, rounded } from '../measure/statistics';
import type { Suite, SuiteOptions, SuiteResult } from '../suite';
import { ZOO } from '../zoo/zoo';
import { type FleetInstance, withStock, withTetris } from './fleet';
import { chosenRows, measureRows } from './rows';
import { nameOf, ownModel, type ServedModel, servedModel } from './served-model';

const BATCHES = [1, 4, 16];
const QUICK = { models: ['textcnn', 'dssm'], batches: [1], forMs: 1_000 };

/** Time for both sides of one model and batch, and the runs that it gives at least and at most. */
const FOR_MS = 12_000;
const RUNS_MIN = 10;
const RUNS_MAX = 400;
/** Runs in a row on one side: the caches of a side are its own by the second. */
const TURN = 5;

/** Times of runs at one batch size, ms. */
interface LatencyPoint {
  batch: number;
  /** On each side. */
  runs: number;
  tetrisMs: Percentiles;
  stockMs: Percentiles;
  p50Ratio: number;
  p99Ratio: number;
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
    return { name, points: await compared(modelIn, batches, quick ? QUICK.forMs : FOR_MS, each) };
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
    maxRelativeError: Math.max(...points.map((point) => point.relativeError)),
    rows,
  };
}

/** An instance and a plain process of one model, both alive, one at work at a time. */
async function compared(
  modelIn: (folder: string) => Promise<ServedModel>,
  batches: readonly number[],
  forMs: number,
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
          points.push(await pointOf(sides, batch, forMs));
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
  forMs: number,
): Promise<LatencyPoint> {
  const [our, their] = [await ours.run({ batch, runs: 3 }), await theirs.run({ batch, runs: 3 })];
  const slowest = Math.max(...our.runMs, ...their.runMs);
  const wanted = Math.min(RUNS_MAX, Math.max(RUNS_MIN, Math.floor(forMs / (2 * slowest))));
  const [ourMs, theirMs]: [number[], number[]] = [[], []];
  while (ourMs.length < wanted) {
    const work = { batch, runs: TURN };
    ourMs.push(...(await ours.run(work)).runMs);
    theirMs.push(...(await theirs.run(work)).runMs);
  }
  const [tetrisMs, stockMs] = [percentiles(ourMs), percentiles(theirMs)];
  return {
    batch,
    runs: ourMs.length,
    tetrisMs,
    stockMs,
    p50Ratio: rounded(tetrisMs.p50 / stockMs.p50),
    p99Ratio: rounded(tetrisMs.p99 / stockMs.p99),
    relativeError: relativeError(our.logits, their.logits),
  };
}

function percentiles(times: readonly number[]): Percentiles {
  const at = (share: number): number => rounded(percentileOf(times, share), 2);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

export const suite: Suite = { run };
