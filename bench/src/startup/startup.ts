/** From the wish for an instance to its first answer, stage by stage, in every way that there is. */
import { tmpdir } from 'node:os';
import { Cleanups, privateFolder } from '../demo/cleanups';
import { createProgress } from '../demo/progress';
import { chosenRows, measureRows } from '../evaluation/rows';
import { nameOf, ownModel, type ServedModel, servedModel, workOn } from '../evaluation/served-model';
import { mediansOf } from '../instances/cold-answer';
import type { FirstAnswer } from '../instances/first-answer';
import { median, rounded } from '../measure/statistics';
import type { Suite, SuiteOptions, SuiteResult } from '../suite';
import { type StartupRow, startupFigures } from './startup-figures';
import { type Way, type WayName, WAYS } from './ways';

const MODELS = ['vgg16', 'bert', 'bert-large', 'use', 'resnet50', 'textcnn'];
const ROUNDS = 5;
const QUICK = { models: ['textcnn'], rounds: 1 };

async function run({ quick = false, only, model: own, ...options }: SuiteOptions): Promise<SuiteResult> {
  const { models, rounds } = quick ? QUICK : { models: MODELS, rounds: ROUNDS };
  const subjects = own === undefined ? models : [nameOf(own)];
  const all = subjects.flatMap((model) => Object.keys(WAYS).map((way) => `${model}/${way}`));
  const names = chosenRows(all, only);
  const progress = createProgress(names.length, process.stderr);
  const measure = async (name: string): Promise<StartupRow> => {
    progress.step(name);
    const [model = '', way = ''] = name.split('/');
    const modelIn = (folder: string): Promise<ServedModel> =>
      own === undefined ? servedModel(model, folder) : ownModel(own, folder);
    return { name, model, way, ...(await measured(modelIn, way as WayName, rounds)) };
  };
  const result = await measureRows(names, options, measure, startupFigures);
  progress.stop();
  return result;
}

async function measured(
  modelIn: (folder: string) => Promise<ServedModel>,
  way: WayName,
  rounds: number,
): Promise<Omit<StartupRow, 'name' | 'model' | 'way'>> {
  const cleanups = new Cleanups();
  try {
    const modelRoot = await privateFolder(tmpdir(), cleanups);
    const work = workOn(await modelIn(modelRoot));
    const answers: FirstAnswer[] = [];
    const measureWay: Way = WAYS[way];
    await measureWay({ modelRoot, work, cleanups }, async (round) => {
      // The first one reads files that the others find in the page cache.
      for (let at = 0; at <= rounds; at += 1) answers.push(await round());
    });
    return timesOf(answers.slice(1));
  } finally {
    await cleanups.run();
  }
}

function timesOf(answers: readonly FirstAnswer[]): Omit<StartupRow, 'name' | 'model' | 'way'> {
  const times = answers.map(({ answerMs }) => answerMs);
  return {
    answerMs: rounded(median(times), 1),
    spreadMs: [rounded(Math.min(...times), 1), rounded(Math.max(...times), 1)],
    loadMs: rounded(median(answers.map(({ report }) => report.loadMs)), 1),
    runMs: rounded(median(answers.map(({ report }) => report.runMs[0] ?? NaN)), 1),
    stagesMs: mediansOf(answers.map(({ stages }) => stages)),
  };
}

export const suite: Suite = { run };
