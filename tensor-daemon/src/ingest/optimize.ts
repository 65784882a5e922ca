import { chownSync, lchownSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { PluginError } from '@tetris/common/errors';
import { unshareableError } from '../source/read-model';
import { OPTIMIZED_DATA, OPTIMIZED_GRAPH, type OptimizeJob, type OptimizeOutcome, type Original } from './optimize-job';
import type { Sandbox } from './sandbox';
import { type ChildLimits, messagesOf, runSandboxed } from './sandboxed-child';
import type { TrialOutcome } from './trial-run';

/** The script of the optimizer's process. */
export const OPTIMIZER_PROGRAM = join(__dirname, 'optimize-child.js');

/**
 * Runs onnxruntime's optimizer in a process of its own, which is gone when this returns.
 *
 * @returns what the original is like, as onnxruntime shows it
 * @throws PluginError `ERR_MODEL_INVALID` with onnxruntime's reason; `ERR_MODEL_UNSHAREABLE` where it can load the
 *   model but not save it; `ERR_INGEST_FAILED` where the process was ended
 *   by its limits, by a crash or by the signal
 */
export async function optimizeInChild(job: OptimizeJob, sandbox: Sandbox, limits: ChildLimits): Promise<Original> {
  if (sandbox.user !== 0) chownSync(job.outputFolder, sandbox.user, sandbox.user);
  const end = await runSandboxed({ program: OPTIMIZER_PROGRAM, job, folder: job.outputFolder }, sandbox, limits);
  const [outcome, trial] = messagesOf(end.stdout) as [OptimizeOutcome?, TrialOutcome?];
  if (outcome?.ok === true && !limits.signal.aborted) {
    takeOutput(job.outputFolder);
    return { interface: outcome.interface, trial };
  }
  // Node takes the signal for it as an error of the write.
  if (end.killedBy === 'SIGXFSZ' || (outcome !== undefined && hitLimit(job.outputFolder, sandbox))) {
    throw new PluginError('ERR_STORE_FULL', 'its optimized form is larger than the store', { retriable: true });
  }
  if (outcome?.ok === false && outcome.loads) {
    const detail = `onnxruntime cannot save it: ${tidy(outcome.reason, job)}`;
    throw unshareableError({ reason: 'not-saved', detail });
  }
  if (outcome?.ok === false) throw new PluginError('ERR_MODEL_INVALID', tidy(outcome.reason, job));
  throw new PluginError('ERR_INGEST_FAILED', `its optimization ${end.how}${said(end.stderr, job)}`);
}

/**
 * Makes the daemon the owner of what the process wrote. It may have been taken over by its model: a link in place of a
 * file would have the daemon publish what the process itself could not read.
 * @throws PluginError `ERR_INGEST_FAILED`
 */
function takeOutput(folder: string): void {
  const [user, group] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  if (lstatSync(folder).uid !== user) chownSync(folder, user, group);
  for (const name of [OPTIMIZED_GRAPH, OPTIMIZED_DATA]) {
    const path = join(folder, name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    if (!stats.isFile() || stats.nlink !== 1) {
      throw new PluginError('ERR_INGEST_FAILED', `its optimization left something else than a file as '${name}'`);
    }
    if (stats.uid !== user) lchownSync(path, user, group);
  }
}

/** Whether one of its files is as large as it may be. */
function hitLimit(folder: string, { fileBytesMax }: Sandbox): boolean {
  return [OPTIMIZED_GRAPH, OPTIMIZED_DATA].some((name) => {
    return (lstatSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0) >= fileBytesMax;
  });
}

/** onnxruntime's reason without our paths: the caller knows the model by another name. */
function tidy(reason: string, { modelPath, outputFolder }: OptimizeJob): string {
  return reason.replaceAll(modelPath, 'the model').replaceAll(outputFolder, '').slice(0, 2_000);
}

function said(stderr: string, job: OptimizeJob): string {
  const last = tidy(stderr.trim().split('\n').at(-1) ?? '', job);
  return last === '' ? '' : `: ${last}`;
}
