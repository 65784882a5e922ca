import { cp, mkdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  anyValues,
  compareAnswers,
  type Comparison,
  type Same,
  type Unsteady,
  unsteadyOutputs,
  type Verdict,
  worst,
} from './compare';
import type { TestModel } from './models';
import { readDataSets } from './test-data';
import type { Answer, Side, Way, Work } from './work';

/** What was found out about one model. */
export interface ModelResult {
  name: string;
  verdict: Verdict;
  /** What is not equal, with the way it showed. */
  detail?: string;
  /** Of a model that plain onnxruntime loads: whether it was shared, given by its path. */
  loaded: boolean;
  /** Why it was not shared. */
  privately?: string;
}

export interface Examination {
  ours: Side;
  stock: Side;
  ways: readonly Way[];
  /** Folder that only action instances see. */
  copies: string;
}

/** Manners of feeding that the action has. */
const MANNERS = 6;
/** Calls that are made at once: enough that two batches are formed and one is full of unlike requests. */
const TOGETHER = 4;

/** Runs a model on both sides in every way. @param index turns the manner of feeding from model to model */
export async function examine(model: TestModel, index: number, parts: Examination): Promise<ModelResult> {
  const dataSets = await readDataSets(model.folder);
  const comparisons: Comparison[] = [];
  let loaded = false;
  let privately: string | undefined;
  for (const way of parts.ways) {
    await placed(model, way, parts.copies, async (path) => {
      const by = way === 'bytes' ? 'bytes' : 'path';
      const work: Work = { model: path, by, dataSets, first: index, together: TOGETHER };
      const { comparison, ...ours } = await examineOne(work, parts);
      comparisons.push(labelled(way, comparison));
      loaded ||= ours.loaded;
      privately ??= ours.privately;
    });
  }
  return { name: model.name, ...worst(comparisons), loaded, ...(privately === undefined ? {} : { privately }) };
}

async function examineOne(
  work: Work,
  { ours, stock }: Examination,
): Promise<{ comparison: Comparison; loaded: boolean; privately?: string | undefined }> {
  const [actual, expected] = await Promise.all([ours.ask(work), stock.ask(work)]);
  const reported = actual.outcome === 'reported' ? actual : undefined;
  const shown = { loaded: reported?.report.alone !== undefined, privately: reported?.privately };
  const comparison = compareAnswers(actual, expected);
  if (comparison.verdict !== 'differ') return { comparison, ...shown };
  const unsteady = await unsteadyIn(work, expected, stock);
  return { comparison: unsteady.size === 0 ? comparison : compareAnswers(actual, expected, unsteady), ...shown };
}

/**
 * Plain onnxruntime is held against itself: in a new process, since random numbers follow from when one began, and in every
 * manner of feeding, since the place of fed memory may matter.
 */
async function unsteadyIn(work: Work, expected: Answer, stock: Side): Promise<Unsteady> {
  const all = new Map<string, Same>();
  await stock.restart();
  for (let manner = 0; manner < MANNERS; manner += 1) {
    const again = await stock.ask({ ...work, first: work.first + manner });
    for (const [name, same] of unsteadyOutputs(expected, again)) {
      if (all.get(name) !== anyValues) all.set(name, same);
    }
  }
  return all;
}

/** Hands a model's path to `use`; a copy is removed afterwards. */
async function placed(
  { folder }: TestModel,
  way: Way,
  copies: string,
  use: (path: string) => Promise<void>,
): Promise<void> {
  if (way !== 'copy') return use(join(folder, 'model.onnx'));
  const copy = join(copies, basename(folder));
  await mkdir(dirname(copy), { recursive: true });
  await cp(folder, copy, { recursive: true, verbatimSymlinks: true });
  try {
    await use(join(copy, 'model.onnx'));
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

function labelled(way: Way, { verdict, detail }: Comparison): Comparison {
  return detail === undefined ? { verdict } : { verdict, detail: `by ${way}: ${detail}` };
}
