/** Run time in an instance over that in a plain process, alone and beside one that keeps a core busy. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { endProcess } from '@tetris/common';
import { percentile, rounded } from '../measure/statistics';
import { type Bench, startStock } from '../runtime/bench';
import type { RunReport } from '../runtime/instances';
import type { FigureGroup } from './figure-group';
import { type ServedName, workOf } from './served-models';

/**
 * Runs in a row on one side. A turn takes ten milliseconds at least: the caches are a side's own for nearly all of it,
 * whatever way its activations come.
 */
const TURNS_OF = { bert: 5, resnet50: 5, textCnn: 100 } as const satisfies Partial<Record<ServedName, number>>;
type MeasuredName = keyof typeof TURNS_OF;

/** Of each side and model; so many that a hundredth of their runs is fifteen at least. */
const TURNS = 300;
const WARM_UP = 20;

type Run = (runs: number) => Promise<number[]>;

async function measure(bench: Bench, quick: boolean): Promise<Record<string, number>> {
  const ratios: { p50: number; p99: number }[] = [];
  const figures: Record<string, number> = {};
  for (const busy of [false, true]) {
    const burner = busy ? fork(join(__dirname, 'busy-main.js')) : undefined;
    if (burner !== undefined) bench.cleanups.add(() => endProcess(burner));
    for (const name of Object.keys(TURNS_OF) as MeasuredName[]) {
      const ratio = await compare(bench, name, quick);
      ratios.push(ratio);
      const suffix = `${name}${busy ? 'Busy' : ''}`;
      process.stderr.write(`  ${suffix} ${JSON.stringify(ratio)}\n`);
      figures[`latencyP50Ratio.${suffix}`] = ratio.p50;
      figures[`latencyP99Ratio.${suffix}`] = ratio.p99;
    }
    if (burner !== undefined) await endProcess(burner);
  }
  return {
    latencyP50Ratio: Math.max(...ratios.map(({ p50 }) => p50)),
    latencyP99Ratio: Math.max(...ratios.map(({ p99 }) => p99)),
    ...figures,
  };
}

async function compare(bench: Bench, name: MeasuredName, quick: boolean): Promise<{ p50: number; p99: number }> {
  const work = await workOf(name, bench.folder, quick);
  const stock = startStock(bench);
  const instance = await bench.instances.start({ room: 1 });
  const ours: Run = async (runs) => (await instance.run({ ...work, runs })).runMs;
  const theirs: Run = async (runs) => (await stock.invoke<RunReport>({ ...work, runs })).runMs;
  const [ourMs, theirMs] = await interleaved(ours, theirs, TURNS_OF[name], quick ? 1 : TURNS);
  await Promise.all([stock.stop(), instance.stop()]);
  const over = (share: number): number =>
    rounded(percentile(sorted(ourMs), share) / percentile(sorted(theirMs), share));
  return { p50: over(0.5), p99: over(0.99) };
}

const sorted = (times: readonly number[]): number[] => [...times].sort((one, other) => one - other);

async function interleaved(ours: Run, theirs: Run, runs: number, turns: number): Promise<[number[], number[]]> {
  const times: [number[], number[]] = [[], []];
  for (const side of [ours, theirs]) await side(WARM_UP);
  for (let turn = 0; turn < turns; turn += 1) {
    times[0].push(...(await ours(runs)));
    times[1].push(...(await theirs(runs)));
  }
  return times;
}

export const latency: FigureGroup = { keys: ['latencyP50Ratio', 'latencyP99Ratio'], measure };
