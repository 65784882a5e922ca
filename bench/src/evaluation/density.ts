/**
 * How many instances fit under a memory cap: started one after the other until the measured total passes it. And how
 * many functions of one origin fit and answer within their objective under a small cap, which is what an operator sells.
 */
import { removeFolder, temporaryFolder } from '@tetris/common';
import { tmpdir } from 'node:os';
import { createProgress } from '../demo/progress';
import { percentileOf, rounded } from '../measure/statistics';
import type { ModelDefinition } from '../models/graph-builder';
import { transformer } from '../models/transformer';
import type { Suite, SuiteOptions, SuiteResult } from '../suite';
import { fineTuned } from '../zoo/families';
import { type FleetInstance, type WithFleet, withStock, withTetris } from './fleet';
import { type DensityRow, densityFigures } from './density-figures';
import { chosenRows, measureRows } from './rows';
import { type ServedModel, served, servedModel } from './served-model';

const MODELS = ['textcnn', 'resnet50', 'bert', 'vgg16', 'use', 'bert-large'];
const CAP_BYTES = 8e9;
const FUNCTIONS_CAP_BYTES = 1.5e9;
const QUICK = { models: ['textcnn'], capBytes: 4e8, functionsCapBytes: 3e8 };

/** Instances at most, whatever the cap: each has a dozen threads. */
const INSTANCES_MAX = 600;
/** Instances between two readings of the memory. */
const STEP = 4;

/** Requests to each function, in turns; the objective is for 99 of 100. */
const REQUESTS = 20;

/** What is counted: instances of a model of the zoo, or functions of one origin. */
const FUNCTIONS = 'functions';
const SIDES = ['tetris', 'stock'] as const;

async function run({ quick = false, only, ...options }: SuiteOptions): Promise<SuiteResult> {
  const { models, capBytes, functionsCapBytes } = quick
    ? QUICK
    : { models: MODELS, capBytes: CAP_BYTES, functionsCapBytes: FUNCTIONS_CAP_BYTES };
  const all = [...models, FUNCTIONS].flatMap((subject) => SIDES.map((side) => `${subject}/${side}`));
  const names = chosenRows(all, only);
  const progress = createProgress(names.length, process.stderr);
  const measure = (name: string): Promise<DensityRow> => {
    progress.step(name);
    const [subject = '', side = ''] = name.split('/');
    return measured(name, subject, side, subject === FUNCTIONS ? functionsCapBytes : capBytes, quick);
  };
  const result = await measureRows(names, options, measure, densityFigures);
  progress.stop();
  return result;
}

async function measured(
  name: string,
  subject: string,
  side: string,
  capBytes: number,
  quick: boolean,
): Promise<DensityRow> {
  const folder = await temporaryFolder(tmpdir());
  try {
    const withFleet = side === 'tetris' ? withTetris(folder) : withStock();
    const same = subject === FUNCTIONS ? undefined : await servedModel(subject, folder);
    const modelOf = async (at: number): Promise<ServedModel> => same ?? served(functionOf(at, quick), folder);
    return { name, subject, side, capMb: capBytes / 1e6, ...(await filled(withFleet, modelOf, capBytes)) };
  } finally {
    await removeFolder(folder);
  }
}

/** Fine-tuned from one encoder: its last two layers are its own. */
function functionOf(at: number, quick: boolean): ModelDefinition {
  const size = quick ? { layers: 2, hidden: 256, heads: 4 } : { layers: 6, hidden: 384, heads: 6 };
  return fineTuned(transformer('encoder', size), { layers: 2, seed: at + 1 });
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
