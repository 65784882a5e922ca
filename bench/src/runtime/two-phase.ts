import { setTimeout as delay } from 'node:timers/promises';
import { median, rounded } from '../measure/statistics';
import { buildModel } from '../models/built-model';
import { transformer } from '../models/transformer';
import type { SuiteResult } from '../suite';
import { type Bench, startStock } from './bench';
import type { Instance, RunReport } from './instances';

/**
 * Tokens of the transformer's input; the figures of the first bear no suffix. What is not arithmetic does not depend on
 * it.
 */
const LENGTHS = [32, 64] as const;
const ROUNDS = 5;
const STEADY_RUNS = 15;
/** The packed session has taken over well before. */
const SETTLE_MS = 3000;

/** One side: what it needs to be ready, and its answers. */
interface Side {
  run(work: object): Promise<RunReport>;
  stop(): Promise<void>;
}

interface Times {
  /** Load and first run, as the action sees them. */
  firstMs: number[];
  /** From the start of the process to the answer's arrival: what is done before the action counts here. */
  coldMs: number[];
}

/**
 * First answer of a new instance of BERT base's size, with a warm store, over a plain process's; then steady runs. By
 * length of the input. The three sides are started one after the other and are never busy together.
 */
export async function twoPhase(bench: Bench): Promise<SuiteResult> {
  const { path } = await buildModel(transformer('bert', { sequence: 'sequence' }), bench.folder);
  const results: Record<string, unknown> = {};
  for (const length of LENGTHS) {
    process.stderr.write(`  ${length} tokens\n`);
    const figures = await twoPhaseAt(bench, { model: path, shape: [length, 768] });
    const suffix = length === LENGTHS[0] ? '' : String(length);
    for (const [name, figure] of Object.entries(figures)) results[`${name}${suffix}`] = figure;
  }
  return results;
}

async function twoPhaseAt(bench: Bench, work: object): Promise<SuiteResult> {
  const starts = {
    stock: () => Promise.resolve(stockSide(bench)),
    onePhase: () => bench.instances.start({}, { TETRIS_RUNTIME_QUICK_BYTES_MIN: '0' }),
    twoPhase: () => bench.instances.start({}, { TETRIS_RUNTIME_QUICK_BYTES_MIN: '128m' }),
  };
  // Fills the store.
  await (await begun(starts.onePhase, work)).stop();
  const stock: Times = { firstMs: [], coldMs: [] };
  const onePhase: Times = { firstMs: [], coldMs: [] };
  const quick: Times = { firstMs: [], coldMs: [] };
  let kept: Instance[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await Promise.all(kept.map((instance) => instance.stop()));
    await (await begun(starts.stock, work, stock)).stop();
    const one = await begun(starts.onePhase, work, onePhase);
    const two = await begun(starts.twoPhase, work, quick);
    await delay(SETTLE_MS);
    kept = [one, two];
  }
  const over = (times: Times, figure: keyof Times): number => rounded(median(times[figure]) / median(stock[figure]));
  return {
    twoPhaseFirstAnswerRatio: over(quick, 'firstMs'),
    onePhaseFirstAnswerRatio: over(onePhase, 'firstMs'),
    stockFirstAnswerMs: rounded(median(stock.firstMs), 1),
    twoPhaseColdAnswerRatio: over(quick, 'coldMs'),
    onePhaseColdAnswerRatio: over(onePhase, 'coldMs'),
    stockColdAnswerMs: rounded(median(stock.coldMs), 1),
    ...(await steady(kept, work)),
  };
}

function stockSide(bench: Bench): Side {
  const stock = startStock(bench);
  return { run: (work) => stock.invoke<RunReport>(work), stop: () => stock.stop() };
}

async function begun<T extends Side>(start: () => Promise<T>, work: object, times?: Times): Promise<T> {
  const from = performance.now();
  const side = await start();
  const { loadMs, runMs } = await side.run(work);
  times?.coldMs.push(performance.now() - from);
  times?.firstMs.push(loadMs + (runMs[0] ?? NaN));
  return side;
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
