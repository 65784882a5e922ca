/** Four applications under three patterns of arrivals, through the whole platform, in modes that differ in policy alone. */
import { removeFolder, temporaryFolder } from '@tetris/common';
import { availableParallelism, tmpdir } from 'node:os';
import { createProgress } from '../demo/progress';
import { chosenRows, measureRows } from '../evaluation/rows';
import { type ServedModel, servedModel } from '../evaluation/served-model';
import { objectiveOf } from '../sharing/calibration';
import { loadTrace } from '../sharing/trace';
import type { Suite, SuiteOptions, SuiteResult } from '../suite';
import { APPLICATIONS } from './applications';
import { measureCell, type ReplayedFunction, singleDurations } from './cell';
import { type ModeName, MODES } from './modes';
import { type ReplayRow, replayFigures } from './replay-figures';

/** Names of synthetic traces; undefined is one rate all the time. */
const PATTERNS: Readonly<Record<string, string | undefined>> = {
  stable: undefined,
  periodic: 'periodic',
  bursty: 'bursty',
};

/** Of all processors, what the peaks of an application's functions need together. */
const PEAK_LOAD = 0.4;
/** What a request costs beside its run: its client, the controller and the invoker are on the same processors. */
const REQUEST_MS = 6;
const SECONDS = '20';
const TIMES = { warmUpMs: 12_000, sampleMs: 500 };
const QUICK_TIMES = { warmUpMs: 1_000, sampleMs: 250 };

/** @throws RangeError where the trace cannot be read */
async function run({ quick = false, only, trace, seconds, ...options }: SuiteOptions): Promise<SuiteResult> {
  const patterns = trace === undefined ? PATTERNS : { [patternName(trace)]: trace };
  const durationMs = 1_000 * Number(seconds ?? (quick ? '2' : SECONDS));
  const all = cells(quick ? ['questions'] : Object.keys(APPLICATIONS), Object.keys(patterns), quick);
  const names = chosenRows(all, only);
  const progress = createProgress(names.length, process.stderr);
  const folder = await temporaryFolder(tmpdir());
  const applications = new Map<string, Promise<Calibrated[]>>();
  const measure = async (name: string): Promise<ReplayRow> => {
    progress.step(name);
    const [application = '', pattern = '', mode = ''] = name.split('/');
    const calibrated = applications.get(application) ?? calibrate(application, folder);
    applications.set(application, calibrated);
    const phasesAt = await loadTrace(patterns[pattern], durationMs);
    const functions = (await calibrated).map(({ model, sloMs, peak }): ReplayedFunction => ({
      model,
      sloMs,
      phases: phasesAt(peak),
    }));
    const figures = await measureCell(mode as ModeName, functions, quick ? QUICK_TIMES : TIMES);
    return { name, application, pattern, mode, ...figures };
  };
  try {
    return await measureRows(names, options, measure, replayFigures);
  } finally {
    progress.stop();
    await removeFolder(folder);
  }
}

/** Modes in turns, so that what the machine does meanwhile meets them alike. */
function cells(applications: readonly string[], patterns: readonly string[], quick: boolean): string[] {
  const modes = quick ? ['tetris', 'stock'] : Object.keys(MODES);
  return applications.flatMap((application) =>
    (quick ? patterns.slice(0, 1) : patterns).flatMap((pattern) =>
      modes.map((mode) => `${application}/${pattern}/${mode}`),
    ),
  );
}

/** A synthetic one's own name; a file's without folder and ending. */
const patternName = (trace: string): string => trace.replace(/^.*\//, '').replace(/\.[^.]*$/, '');

interface Calibrated {
  model: ServedModel;
  sloMs: number;
  /** Requests per second at most. */
  peak: number;
}

/** Each function gets an equal part of the processors' time at its peak. */
async function calibrate(application: string, folder: string): Promise<Calibrated[]> {
  const models: ServedModel[] = [];
  for (const name of APPLICATIONS[application] ?? []) models.push(await servedModel(name, folder));
  const durations = await singleDurations(models);
  return models.map((model, at) => {
    const singleMs = Math.max(1, durations[at] ?? NaN);
    const peak = (1_000 * PEAK_LOAD * availableParallelism()) / (models.length * (singleMs + REQUEST_MS));
    return { model, sloMs: objectiveOf(singleMs), peak };
  });
}

export const suite: Suite = { run };
