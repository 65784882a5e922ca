/** Memory of an idle instance at each level, and how soon it answers again. */
import { hashFile } from '@tetris/common';
import { setTimeout as delay } from 'node:timers/promises';
import { AT_REST_MS, processMemory, processTree } from '../measure/process-memory';
import { median, megabytes, rounded } from '../measure/statistics';
import { type Bench, startStock } from '../runtime/bench';
import type { RunReport } from '../runtime/instances';
import type { SuiteResult } from '../suite';
import type { FigureGroup } from './figure-group';
import { type Work, workOf } from './served-models';

const ROUNDS = 5;
const RUNS = 20;
const SETTLE_MS = 1000;

async function measure(bench: Bench, quick: boolean): Promise<SuiteResult> {
  const work = await workOf('bert', bench.folder, quick);
  const models = [await hashFile(work.model)];
  // Of two, so that neither has the code to itself.
  const instances = [await bench.instances.start({ room: 1 }), await bench.instances.start({ room: 1 })] as const;
  const [first, second] = instances;
  const [awake, asleep, ended]: [number[], number[], number[]] = [[], [], []];
  const [wakeMs, restartMs, stockMs]: [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < (quick ? 1 : ROUNDS); round += 1) {
    const pids = await Promise.all(instances.map(async (one) => (await one.run({ ...work, runs: RUNS })).pid));
    await delay(quick ? SETTLE_MS : AT_REST_MS);
    awake.push(uniqueMb(bench, pids) / pids.length);
    for (const instance of instances) await instance.post('/sleep', {});
    await delay(quick ? SETTLE_MS : AT_REST_MS);
    asleep.push(uniqueMb(bench, pids) / pids.length);
    wakeMs.push(await timed(() => first.run({ ...work })));
    stockMs.push(await stockFirstMs(bench, work));
    await first.halt();
    await bench.instances.expect(first, models);
    ended.push(megabytes((await first.privateBytes()) ?? NaN));
    restartMs.push(
      await timed(async () => {
        await first.restart();
        await bench.instances.initialize(first, { room: 1, wakes: true });
        await first.run({ ...work });
      }),
    );
  }
  await Promise.all([first.stop(), second.stop()]);
  return {
    awakeInstanceMb: rounded(median(awake), 1),
    asleepInstanceMb: rounded(median(asleep), 1),
    idleInstanceMb: rounded(median(ended), 1),
    wakeRatio: rounded(median(wakeMs) / median(stockMs)),
    wakeMs: rounded(median(wakeMs), 1),
    restartRatio: rounded(median(restartMs) / median(stockMs)),
    restartMs: rounded(median(restartMs), 1),
  };
}

/** What processes have for themselves, MB without the view. */
const uniqueMb = ({ storePath }: Bench, pids: readonly number[]): number =>
  megabytes(
    processMemory(
      pids.flatMap((pid) => processTree(pid)),
      storePath,
    ).uniqueBytes,
  );

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

export const idle: FigureGroup = {
  keys: ['awakeInstanceMb', 'asleepInstanceMb', 'idleInstanceMb', 'wakeRatio', 'restartRatio'],
  measure,
};
