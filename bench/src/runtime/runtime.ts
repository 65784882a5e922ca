/** The action runtime alone: batching, two-phase load and its own overhead, each beside what it is compared with. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Cleanups, temporaryFolder } from '../demo/cleanups';
import { median, relativeError, rounded } from '../measure/statistics';
import { StockProcess } from '../measure/stock-process';
import { buildModel } from '../models/built-model';
import { perceptron } from '../models/small-models';
import { transformer, type TransformerOptions } from '../models/transformer';
import { DaemonProcess } from '../sharing/daemon-process';
import type { Suite, SuiteResult } from '../suites';
import { type Instance, Instances, type RunReport } from './instances';

const ACTION_PATH = join(__dirname, '../../actions/classify.js');

/** What a measurement needs; everything it starts is ended by `cleanups`. */
interface Bench {
  instances: Instances;
  folder: string;
  cleanups: Cleanups;
}

/** Callers that send one request after the other, and how many each. */
const CALLERS = 8;
const CALLS = 6;
const ROUNDS = 3;

/** Encoders over 32 tokens: what is small enough to be served on a core by the dozen, and BERT base. */
const ENCODERS: Readonly<Record<string, TransformerOptions>> = {
  'MiniLM (6 layers of 384)': { layers: 6, hidden: 384, sequence: 32 },
  'BERT base (12 layers of 768)': { sequence: 32 },
};

/** Throughput of one worker with one thread: joined runs over single ones, and what plain onnxruntime gains by the same batch. */
interface BatchingFigures {
  model: string;
  batchSpeedup: number;
  batchCeiling: number;
  singlePerSecond: number;
  batchedPerSecond: number;
  batchRelativeError: number;
}

async function batching(bench: Bench): Promise<SuiteResult> {
  const batched: BatchingFigures[] = [];
  for (const [model, options] of Object.entries(ENCODERS)) batched.push(await batchingOf(bench, model, options));
  // The first is the one that the bounds are about.
  const { model, ...figures } = batched[0] as BatchingFigures;
  return { ...figures, batchModel: model, batching: batched };
}

async function batchingOf(
  { instances, folder, cleanups }: Bench,
  model: string,
  options: TransformerOptions,
): Promise<BatchingFigures> {
  const { hidden = 768 } = options;
  const { path } = await buildModel(transformer(`encoder-${hidden}`, options), folder);
  const work = { model: path, shape: [32, hidden] };
  const single = await instances.start();
  const joined = await instances.start({ batch: CALLERS, batchWaitMs: 10 });
  const singleMs: number[] = [];
  const joinedMs: number[] = [];
  let error = 0;
  for (const instance of [single, joined]) await instance.run(work);
  // The packed session has taken over, and the first joint batch has been verified, before time counts.
  for (const instance of [single, joined]) await load(instance, work);
  for (let round = 0; round < ROUNDS; round += 1) {
    const alone = await load(single, work);
    const together = await load(joined, work);
    singleMs.push(alone.wallMs);
    joinedMs.push(together.wallMs);
    together.reports.forEach(({ logits }, index) => {
      error = Math.max(error, relativeError(logits, alone.reports[index]?.logits ?? []));
    });
  }
  await Promise.all([single.stop(), joined.stop()]);
  const perSecond = (wallMs: number[]): number => rounded((1000 * CALLERS * CALLS) / median(wallMs), 1);
  return {
    model,
    batchSpeedup: rounded(median(singleMs) / median(joinedMs)),
    batchCeiling: await ceiling(work, cleanups),
    singlePerSecond: perSecond(singleMs),
    batchedPerSecond: perSecond(joinedMs),
    batchRelativeError: error,
  };
}

/** What there is to gain on this machine: plain onnxruntime called with a batch, over as many calls of one. */
async function ceiling(work: object, cleanups: Cleanups): Promise<number> {
  const stock = new StockProcess(ACTION_PATH);
  cleanups.add(() => stock.stop());
  const ratios: number[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const { runMs: one } = await stock.invoke<RunReport>({ ...work, runs: CALLERS });
    const { runMs: all } = await stock.invoke<RunReport>({ ...work, batch: CALLERS, runs: 2 });
    if (round > 0) ratios.push((CALLERS * median(one)) / median(all));
  }
  await stock.stop();
  return rounded(median(ratios));
}

async function load(instance: Instance, work: object): Promise<{ wallMs: number; reports: RunReport[] }> {
  const start = performance.now();
  const callers = Array.from({ length: CALLERS }, async (_, caller) => {
    const reports: RunReport[] = [];
    for (let call = 0; call < CALLS; call += 1) {
      reports.push(await instance.run({ ...work, seed: caller * CALLS + call + 1 }));
    }
    return reports;
  });
  const reports = (await Promise.all(callers)).flat();
  return { wallMs: performance.now() - start, reports };
}

const COLD_ROUNDS = 5;
const STEADY_RUNS = 15;
/** The packed session has taken over well before. */
const SETTLE_MS = 3000;
const ONE_PHASE = { TETRIS_RUNTIME_QUICK_BYTES_MIN: '0' };
const TWO_PHASE = { TETRIS_RUNTIME_QUICK_BYTES_MIN: '128m' };

/** First answer of a new instance (load and first run), with a warm store, over a plain process; then steady runs. */
async function twoPhase({ instances, folder, cleanups }: Bench): Promise<SuiteResult> {
  const { path } = await buildModel(transformer('bert'), folder);
  const work = { model: path, shape: [64, 768] };
  const first = ({ loadMs, runMs }: RunReport): number => loadMs + (runMs[0] ?? NaN);
  const stockMs: number[] = [];
  const onePhaseMs: number[] = [];
  const twoPhaseMs: number[] = [];
  const kept: Instance[] = [];
  for (let round = 0; round <= COLD_ROUNDS; round += 1) {
    const stock = new StockProcess(ACTION_PATH);
    cleanups.add(() => stock.stop());
    const [one, two] = [await instances.start({}, ONE_PHASE), await instances.start({}, TWO_PHASE)];
    const [plain, packed, quick] = [await stock.invoke<RunReport>(work), await one.run(work), await two.run(work)];
    await delay(SETTLE_MS);
    await stock.stop();
    if (round === COLD_ROUNDS) kept.push(one, two);
    else await Promise.all([one.stop(), two.stop()]);
    // The first round fills the store.
    if (round === 0) continue;
    stockMs.push(first(plain));
    onePhaseMs.push(first(packed));
    twoPhaseMs.push(first(quick));
  }
  return {
    twoPhaseFirstAnswerRatio: rounded(median(twoPhaseMs) / median(stockMs)),
    onePhaseFirstAnswerRatio: rounded(median(onePhaseMs) / median(stockMs)),
    stockFirstAnswerMs: rounded(median(stockMs), 1),
    ...(await steady(kept, work)),
  };
}

async function steady([one, two]: readonly Instance[], work: object): Promise<SuiteResult> {
  if (one === undefined || two === undefined) throw new Error('no instances were kept');
  const packed: number[] = [];
  const replaced: number[] = [];
  for (let run = 0; run < STEADY_RUNS; run += 1) {
    packed.push(...(await one.run(work)).runMs);
    replaced.push(...(await two.run(work)).runMs);
  }
  await Promise.all([one.stop(), two.stop()]);
  return { twoPhaseSteadyRatio: rounded(median(replaced) / median(packed)) };
}

const TINY_CALLS = 300;
const TINY_WARM_UP = 50;

/** Round trip of an activation with one run of a tiny model, less that run in a plain process. */
async function overhead({ instances, folder, cleanups }: Bench): Promise<SuiteResult> {
  const { path } = await buildModel(perceptron('tiny'), folder);
  const work = { model: path, shape: [64] };
  const stock = new StockProcess(ACTION_PATH);
  cleanups.add(() => stock.stop());
  const instance = await instances.start();
  const roundTripMs: number[] = [];
  const sessionRunMs: number[] = [];
  for (let call = 0; call < TINY_CALLS + TINY_WARM_UP; call += 1) {
    const start = performance.now();
    const { runMs } = await instance.run(work);
    if (call < TINY_WARM_UP) continue;
    roundTripMs.push(performance.now() - start);
    sessionRunMs.push(...runMs);
  }
  const { runMs } = await stock.invoke<RunReport>({ ...work, runs: TINY_CALLS + TINY_WARM_UP });
  await Promise.all([stock.stop(), instance.stop()]);
  const plainMs = median(runMs.slice(TINY_WARM_UP));
  return {
    runtimeOverheadMs: rounded(median(roundTripMs) - plainMs),
    sessionRunOverheadMs: rounded(median(sessionRunMs) - plainMs),
    plainRunMs: rounded(plainMs),
  };
}

async function run(): Promise<SuiteResult> {
  const cleanups = new Cleanups();
  try {
    const folder = await temporaryFolder(tmpdir(), cleanups);
    const storePath = await temporaryFolder('/dev/shm', cleanups);
    const daemon = new DaemonProcess(folder, storePath);
    cleanups.add(() => daemon.stop());
    await daemon.ready();
    const instances = new Instances(daemon, folder, ACTION_PATH);
    cleanups.add(() => instances.stop());
    const bench = { instances, folder, cleanups };
    const results: SuiteResult[] = [];
    for (const [name, measure] of Object.entries({ overhead, batching, twoPhase })) {
      process.stderr.write(`${name}\n`);
      results.push(await measure(bench));
    }
    return Object.assign({}, ...results) as SuiteResult;
  } finally {
    await cleanups.run();
  }
}

export const suite: Suite = { run };
