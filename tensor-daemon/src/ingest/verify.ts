/**
 * Opens a cut model as an instance would, before anybody is given it, and compares it with the original. Whatever is
 * wrong with it, and however it came to be so: it is loaded privately then, and no action ever sees it.
 */
import { chown, link, mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PluginError } from '@tetris/common/errors';
import { whyUnshareable, type ModelEvidence } from '@tetris/onnx-format';
import { unshareableError } from '../source/read-model';
import { GRAPH_FILE } from '../store/layout';
import { keepsMuch, whyNoGain } from './memory-gain';
import { interfaceChange } from './model-interface';
import type { OptimizeJob, Original } from './optimize-job';
import type { Sandbox } from './sandbox';
import { type ChildEnd, type ChildLimits, messagesOf, runSandboxed } from './sandboxed-child';
import type { TrialJob, TrialLoad } from './trial-job';
import type { TrialOutcome } from './trial-run';

const TRIAL_PROGRAM = join(__dirname, 'trial-child.js');

/** A cut model as it lies in the daemon's own folders. */
export interface CutModel {
  graph: string;
  /** Its tensor files, each by its digest. */
  tensors: readonly string[];
  /** Of all of them. */
  tensorBytes: number;
}

/** What one trial has shown. */
interface Trial {
  load: TrialLoad | undefined;
  runs: TrialOutcome[];
  end: ChildEnd;
}

/**
 * @param job of the original's optimization; the cut model is opened in its output folder
 * @throws PluginError `ERR_MODEL_UNSHAREABLE` with the reason; `ERR_INGEST_FAILED` where it was given up
 */
export async function verifyCut(
  cut: CutModel,
  original: Original,
  job: OptimizeJob,
  sandbox: Sandbox,
  limits: ChildLimits,
): Promise<void> {
  const folder = join(job.outputFolder, 'view');
  const { trial: known } = original;
  const run = known?.ran === true;
  try {
    const modelPath = await makeView(folder, cut, sandbox.user);
    const trial = await tryOut({ modelPath, run, ...(run && { digest: known.digest }) }, folder, sandbox, limits);
    const unshareable = whyUnshareable(evidenceOf(trial, original, folder));
    if (unshareable !== undefined) throw unshareableError(unshareable);
    if (trial.load?.loaded !== true || !keepsMuch(cut.tensorBytes, trial.load.privateBytes)) return;
    const plain = await tryOut({ modelPath: job.modelPath, plain: job.graph, run }, folder, sandbox, limits);
    const noGain = judgeMemory(cut.tensorBytes, trial, plain);
    if (noGain !== undefined) throw unshareableError(noGain);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A folder as an instance sees it: the graph, and hard links to its tensors. @returns path of the graph */
async function makeView(folder: string, { graph, tensors }: CutModel, user: number): Promise<string> {
  await mkdir(folder);
  await Promise.all(tensors.map((tensor) => link(tensor, join(folder, basename(tensor)))));
  const modelPath = join(folder, GRAPH_FILE);
  await link(graph, modelPath);
  if (user !== 0) await chown(folder, user, user);
  return modelPath;
}

async function tryOut(job: TrialJob, folder: string, sandbox: Sandbox, limits: ChildLimits): Promise<Trial> {
  const end = await runSandboxed({ program: TRIAL_PROGRAM, job, folder }, sandbox, limits);
  if (limits.signal.aborted) {
    throw new PluginError('ERR_INGEST_FAILED', 'its verification was given up', { retriable: true });
  }
  const [load, ...runs] = messagesOf(end.stdout) as [TrialLoad?, ...TrialOutcome[]];
  return { load, runs, end };
}

function evidenceOf({ load, runs, end }: Trial, original: Original, folder: string): ModelEvidence {
  if (load === undefined) return { cutError: `loading it ${end.how}` };
  if (!load.loaded) return { cutError: load.reason.replaceAll(`${folder}/`, '').slice(0, 2_000) };
  const change = interfaceChange(original.interface, load.interface);
  if (change !== undefined) return { interfaceChange: change };
  if (original.trial?.ran !== true) return {};
  const [first, second] = runs;
  if (first === undefined) return end.late ? {} : { answerChange: `running it ${end.how}` };
  if (!first.ran) return { answerChange: first.reason.slice(0, 2_000) };
  // Two results that differ from each other are no wonder: such a model computes with random numbers.
  const isOther = second?.ran === true && second.digest === first.digest;
  return isOther ? { answerChange: 'it computes other numbers' } : {};
}

/** By what both take after a run, where both ran, else after their load. */
function judgeMemory(tensorBytes: number, cut: Trial, plain: Trial): ReturnType<typeof whyNoGain> {
  const [cutRun, plainRun] = [cut.runs[0], plain.runs[0]];
  if (cutRun?.ran === true && plainRun?.ran === true) {
    return whyNoGain(tensorBytes, cutRun.privateBytes, plainRun.privateBytes);
  }
  if (cut.load?.loaded !== true || plain.load?.loaded !== true) return undefined;
  return whyNoGain(tensorBytes, cut.load.privateBytes, plain.load.privateBytes);
}
