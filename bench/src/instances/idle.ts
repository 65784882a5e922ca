/** Memory of an idle instance whose sessions are freed, and how soon it answers again. */
import { setTimeout as delay } from 'node:timers/promises';
import { processMemory, processTree } from '../measure/process-memory';
import { median, megabytes, rounded } from '../measure/statistics';
import { type Bench, startStock } from '../runtime/bench';
import type { Instance, RunReport } from '../runtime/instances';
import type { SuiteResult } from '../suite';
import type { FigureGroup } from './figure-group';
import { type Work, workOf } from './served-models';

const ROUNDS = 7;
const RUNS = 20;
const SETTLE_MS = 500;

async function measure(bench: Bench, quick: boolean): Promise<SuiteResult> {
  const work = await workOf('bert', bench.folder, quick);
  // Of two, so that the code that both map counts half.
  const instances = [await bench.instances.start({ room: 1 }), await bench.instances.start({ room: 1 })] as const;
  for (const instance of instances) await instance.run({ ...work, runs: quick ? 1 : RUNS });
  const awake: number[] = [];
  const asleep: number[] = [];
  const wakeMs: number[] = [];
  const stockMs: number[] = [];
  for (let round = 0; round < (quick ? 1 : ROUNDS); round += 1) {
    awake.push(await ownMb(bench, instances, work));
    for (const instance of instances) await instance.post('/sleep', {});
    asleep.push(await ownMb(bench, instances));
    wakeMs.push(await timed(() => instances[0].run({ ...work })));
    await instances[1].run({ ...work });
    stockMs.push(await stockFirstMs(bench, work));
  }
  await Promise.all(instances.map((instance) => instance.stop()));
  return {
    awakeInstanceMb: rounded(median(awake), 1),
    idleInstanceMb: rounded(median(asleep), 1),
    wakeRatio: rounded(median(wakeMs) / median(stockMs)),
    wakeMs: rounded(median(wakeMs), 1),
  };
}

/** Mean over instances at rest, MB without the view. @param work run first, so that pids are known and sessions awake */
async function ownMb(bench: Bench, instances: readonly Instance[], work?: Work): Promise<number> {
  for (const instance of instances) {
    if (work !== undefined) pids.set(instance, (await instance.run({ ...work })).pid);
  }
  await delay(SETTLE_MS);
  const all = instances.flatMap((instance) => processTree(pids.get(instance) ?? 0));
  return megabytes(processMemory(all, bench.storePath).ownBytes) / instances.length;
}

const pids = new WeakMap<Instance, number>();

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Load and first run of a plain process that is there already. */
async function stockFirstMs(bench: Bench, work: Work): Promise<number> {
  const stock = startStock(bench);
  const { loadMs, runMs } = await stock.invoke<RunReport>({ ...work });
  await stock.stop();
  return loadMs + (runMs[0] ?? NaN);
}

export const idle: FigureGroup = { keys: ['idleInstanceMb', 'wakeRatio'], measure };
