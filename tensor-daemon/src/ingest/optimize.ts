import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, lchownSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import { PluginError } from '@tetris/common/errors';
import { OPTIMIZED_DATA, OPTIMIZED_GRAPH, type OptimizeJob, type OptimizeOutcome } from './optimize-job';
import type { Sandbox } from './sandbox';

/** Text kept of what the process says. */
const OUTPUT_CHARS_MAX = 16_384;

/** The script of the optimizer's process. */
export const OPTIMIZER_PROGRAM = join(__dirname, 'optimize-child.js');

/** Limits of one optimization. */
export interface OptimizeLimits {
  timeoutMs: number;
  signal: AbortSignal;
}

/**
 * Runs onnxruntime's optimizer in a process of its own, which is gone when this returns.
 *
 * @throws PluginError `ERR_MODEL_INVALID` with onnxruntime's reason; `ERR_MODEL_UNSHAREABLE` where it can load the
 *   model but not save it; `ERR_INGEST_FAILED` where the process was ended
 *   by its limits, by a crash or by the signal
 */
export async function optimizeInChild(job: OptimizeJob, sandbox: Sandbox, limits: OptimizeLimits): Promise<void> {
  if (sandbox.user !== 0) chownSync(job.outputFolder, sandbox.user, sandbox.user);
  const [command, ...args] = sandbox.wrap([process.execPath, OPTIMIZER_PROGRAM, JSON.stringify(job)]);
  const child = spawn(command ?? process.execPath, args, {
    cwd: job.outputFolder,
    // onnxruntime's builds since 1.30 report their use over the network, and leave files in TMPDIR, unless told not to.
    env: { TMPDIR: job.outputFolder, ORT_DISABLE_TELEMETRY: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let reason: string | undefined;
  const endFor = (why: string): void => {
    reason = why;
    child.kill('SIGKILL');
  };
  const timer = setTimeout(() => endFor(`took longer than ${limits.timeoutMs} ms`), limits.timeoutMs);
  const abort = (): void => endFor('was given up');
  limits.signal.addEventListener('abort', abort, { once: true });
  try {
    const { stdout, stderr, code, killedBy } = await outcomeOf(child);
    const outcome = parseOutcome(stdout);
    if (outcome?.ok === true) {
      takeOutput(job.outputFolder);
      return;
    }
    // Node takes the signal for it as an error of the write.
    if (killedBy === 'SIGXFSZ' || (outcome !== undefined && hitLimit(job.outputFolder, sandbox))) {
      throw new PluginError('ERR_STORE_FULL', 'its optimized form is larger than the store', { retriable: true });
    }
    if (outcome?.loads === true) {
      throw new PluginError('ERR_MODEL_UNSHAREABLE', `onnxruntime cannot save it: ${tidy(outcome.reason, job)}`);
    }
    if (outcome !== undefined) throw new PluginError('ERR_MODEL_INVALID', tidy(outcome.reason, job));
    const end = reason ?? (killedBy === null ? `ended with code ${code}` : `was ended by ${killedBy}`);
    throw new PluginError('ERR_INGEST_FAILED', `its optimization ${end}${said(stderr, job)}`);
  } finally {
    clearTimeout(timer);
    limits.signal.removeEventListener('abort', abort);
  }
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

interface Ended {
  stdout: string;
  stderr: string;
  code: number | null;
  killedBy: string | null;
}

function outcomeOf(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout = keepEnd(stdout + text)));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = keepEnd(stderr + text)));
    child.once('error', (error) => {
      reject(new PluginError('ERR_INGEST_FAILED', `its optimization did not run: ${error.message}`, { cause: error }));
    });
    child.once('close', (code, killedBy) => resolve({ stdout, stderr, code, killedBy }));
  });
}

function keepEnd(text: string): string {
  return text.slice(-OUTPUT_CHARS_MAX);
}

function parseOutcome(stdout: string): OptimizeOutcome | undefined {
  try {
    const outcome = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as OptimizeOutcome;
    return typeof outcome.ok === 'boolean' ? outcome : undefined;
  } catch {
    return undefined;
  }
}

/** onnxruntime's reason without our paths: the caller knows the model by another name. */
function tidy(reason: string, { modelPath, outputFolder }: OptimizeJob): string {
  return reason.replaceAll(modelPath, 'the model').replaceAll(outputFolder, '').slice(0, 2_000);
}

function said(stderr: string, job: OptimizeJob): string {
  const last = tidy(stderr.trim().split('\n').at(-1) ?? '', job);
  return last === '' ? '' : `: ${last}`;
}
