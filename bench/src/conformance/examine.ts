import { isInsideFolder, memorySource, scanModel } from '@tetris/onnx-format';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { anyValues, compareAnswers, type Comparison, type Same, unsteadyOutputs, type Verdict, worst } from './compare';
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
  /** Folder of this examination alone that the daemon does not see; it comes and goes. */
  copies: string;
}

/** Manners of feeding that the action has. */
const MANNERS = 6;
/** Calls that are made at once: enough that two batches are formed and one is full of unlike requests. */
const TOGETHER = 4;

/** Runs a model on both sides in every way. @param index turns the manner of feeding from model to model */
export async function examine(model: TestModel, index: number, parts: Examination): Promise<ModelResult> {
  const dataSets = await readDataSets(model.path);
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
  return { comparison: await compareWithRepeats(work, actual, expected, stock), ...shown };
}

/**
 * Plain onnxruntime is held against itself: in a new process, since random numbers follow from when one began, and in
 * every manner of feeding, since the place of fed memory may matter. Of several damaged tensors it names one or
 * another.
 */
async function compareWithRepeats(work: Work, actual: Answer, expected: Answer, stock: Side): Promise<Comparison> {
  const unsteady = new Map<string, Same>();
  await stock.restart();
  for (let manner = 0; manner < MANNERS; manner += 1) {
    const again = await stock.ask({ ...work, first: work.first + manner });
    const comparison = compareAnswers(actual, again);
    if (comparison.verdict !== 'differ') return comparison;
    for (const [name, same] of unsteadyOutputs(expected, again)) {
      if (unsteady.get(name) !== anyValues) unsteady.set(name, same);
    }
  }
  return compareAnswers(actual, expected, unsteady);
}

/** Hands a model's path to `use`; a copy is removed afterwards. */
async function placed(
  { path }: TestModel,
  way: Way,
  copies: string,
  use: (path: string) => Promise<void>,
): Promise<void> {
  if (way !== 'copy') return use(path);
  try {
    for (const file of [basename(path), ...(await locationsOf(path))]) {
      // As it is spelled: folders that a location only passes through have to be there too.
      const copy = `${copies}/${file}`;
      await mkdir(dirname(copy), { recursive: true });
      await cp(join(dirname(path), file), copy, { dereference: true });
    }
    await use(join(copies, basename(path)));
  } finally {
    await rm(copies, { recursive: true, force: true });
  }
}

/** External data of a model, as far as it lies below its folder. */
async function locationsOf(path: string): Promise<string[]> {
  const scan = await scanModel(memorySource(await readFile(path)));
  const locations = scan.format === 'onnx' ? scan.locations.filter(isInsideFolder) : [];
  return locations.filter((location) => existsSync(join(dirname(path), location)));
}

function labelled(way: Way, { verdict, detail }: Comparison): Comparison {
  return detail === undefined ? { verdict } : { verdict, detail: `by ${way}: ${detail}` };
}
