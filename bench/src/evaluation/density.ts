/**
 * How many instances fit under a memory cap: started one after the other until the measured total passes it. And how
 * many functions of one origin fit and answer within their objective under a small cap, which is what an operator sells.
 */
import { removeFolder, temporaryFolder } from '@tetris/common';
import { tmpdir } from 'node:os';
import { createProgress, type Progress } from '../demo/progress';
import { percentileOf, rounded } from '../measure/statistics';
import { transformer } from '../models/transformer';
import type { Suite, SuiteOptions, SuiteResult } from '../suite';
import { fineTuned } from '../zoo/families';
import { type FleetInstance, type WithFleet, withStock, withTetris } from './fleet';
import { measureRows } from './rows';
import { type ServedModel, served, servedModel } from './served-model';

const MODELS = ['textcnn', 'resnet50', 'bert', 'vgg16', 'use', 'bert-large'];
const CAP_BYTES = 8e9;
const FUNCTIONS_CAP_BYTES = 1.5e9;
const QUICK = { models: ['textcnn'], capBytes: 4e8, functionsCapBytes: 3e8 };

/** Instances at most, whatever the cap: each has a dozen threads. */
const INSTANCES_MAX = 600;
/** Instances between two readings of the memory. */
const STEP = 4;

/** Objective of the functions under the small cap, ms: INFless's for ResNet-50. */
const SLO_MS = 300;
/** Requests to each function, in turns; the objective is for 99 of 100. */
const REQUESTS = 20;

interface DensityRow {
  name: string;
  tetris: number;
  stock: number;
  ratio: number;
}

async function run(options: SuiteOptions): Promise<SuiteResult> {
  const { quick = false, only, earlier } = options;
  const { models, capBytes, functionsCapBytes } = quick
    ? QUICK
    : { models: only ?? MODELS, capBytes: CAP_BYTES, functionsCapBytes: FUNCTIONS_CAP_BYTES };
  const progress = createProgress(2 * models.length + 2, process.stderr);
  const figuresOf = (rows: readonly DensityRow[]): SuiteResult => ({
    capMb: capBytes / 1e6,
    densityRatio: Math.max(...rows.map(({ ratio }) => ratio)),
    rows,
  });
  const instances = await measureRows(models, options, (name) => instancesOf(name, capBytes, progress), figuresOf);
  const functions = earlier?.['functions'] ?? (await functionsUnder(functionsCapBytes, quick, progress));
  progress.stop();
  return { ...instances, functions };
}

async function instancesOf(name: string, capBytes: number, progress: Progress): Promise<DensityRow> {
  const folder = await temporaryFolder(tmpdir());
  try {
    const model = await servedModel(name, folder);
    progress.step(`${name}: instances with sharing`);
    const tetris = await filled(withTetris(folder), () => Promise.resolve(model), capBytes);
    progress.step(`${name}: plain processes`);
    const stock = await filled(withStock(), () => Promise.resolve(model), capBytes);
    return { name, tetris: tetris.fit, stock: stock.fit, ratio: rounded(tetris.fit / Math.max(1, stock.fit), 1) };
  } finally {
    await removeFolder(folder);
  }
}

/** Functions that are fine-tuned from one encoder: their last two layers are their own. */
async function functionsUnder(capBytes: number, quick: boolean, progress: Progress): Promise<SuiteResult> {
  const folder = await temporaryFolder(tmpdir());
  try {
    const origin = quick
      ? transformer('encoder', { layers: 2, hidden: 256, heads: 4 })
      : transformer('encoder', { layers: 6, hidden: 384, heads: 6 });
    const modelOf = (at: number): Promise<ServedModel> =>
      served(fineTuned(origin, { layers: 2, seed: at + 1 }), folder);
    progress.step('functions with sharing');
    const tetris = await filled(withTetris(folder), modelOf, capBytes);
    progress.step('functions as plain processes');
    const stock = await filled(withStock(), modelOf, capBytes);
    return {
      capMb: capBytes / 1e6,
      sloMs: SLO_MS,
      tetris: tetris.fit,
      stock: stock.fit,
      ratio: rounded(tetris.fit / Math.max(1, stock.fit), 1),
      p99Ms: { tetris: tetris.p99Ms, stock: stock.p99Ms },
    };
  } finally {
    await removeFolder(folder);
  }
}

/** Starts instances until the total passes the cap; all of them answer. */
async function filled(
  withFleet: WithFleet,
  modelOf: (at: number) => Promise<ServedModel>,
  capBytes: number,
): Promise<{ fit: number; p99Ms: number }> {
  return withFleet(async (fleet) => {
    const instances: FleetInstance[] = [];
    let bytes: number;
    do {
      const instance = await fleet.start(await modelOf(instances.length));
      await instance.run({ seed: instances.push(instance) });
      // Reading hundreds of processes takes longer than starting one.
      bytes = instances.length < 2 * STEP || instances.length % STEP === 0 ? await fleet.memoryBytes() : 0;
    } while (bytes <= capBytes && instances.length < INSTANCES_MAX);
    const over = instances.length < 2 * STEP ? 1 : STEP;
    const fit = bytes <= capBytes ? instances.length : instances.length - over;
    return { fit, p99Ms: rounded(await tail(instances.slice(0, fit)), 1) };
  });
}

async function tail(instances: readonly FleetInstance[]): Promise<number> {
  const times: number[] = [];
  for (let request = 0; request < REQUESTS; request += 1) {
    for (const instance of instances.slice(0, 16)) times.push(...(await instance.run({ seed: request + 1 })).runMs);
  }
  return percentileOf(times, 0.99);
}

export const suite: Suite = { run };
