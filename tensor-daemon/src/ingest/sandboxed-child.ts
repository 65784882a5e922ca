/** Runs one of our programs with a stranger's model in a confined process, which is gone when this returns. */
import { type ChildProcess, spawn } from 'node:child_process';
import { PluginError } from '@tetris/common/errors';
import { onAbort } from '../on-abort';
import type { Sandbox } from './sandbox';

/** Text kept of what a process says on stderr. */
const STDERR_CHARS_MAX = 16_384;

/** And on stdout: the interface of a model with some ten thousand inputs. */
const STDOUT_CHARS_MAX = 4 * 1024 ** 2;

export interface ChildLimits {
  timeoutMs: number;
  signal: AbortSignal;
}

export interface ChildJob {
  /** Script, with the job as JSON in its only argument. */
  program: string;
  job: unknown;
  /** Its working folder, where its temporary files go too. */
  folder: string;
}

/** How it ended, and what it said. */
export interface ChildEnd {
  stdout: string;
  stderr: string;
  code: number | null;
  killedBy: string | null;
  /** In words, for an error's text. */
  how: string;
}

/** @throws PluginError `ERR_INGEST_FAILED` where it cannot be started */
export async function runSandboxed(
  { program, job, folder }: ChildJob,
  sandbox: Sandbox,
  { timeoutMs, signal }: ChildLimits,
): Promise<ChildEnd> {
  const [command = '', ...args] = sandbox.wrap([process.execPath, program, JSON.stringify(job)]);
  const child = spawn(command, args, {
    cwd: folder,
    env: {
      // onnxruntime's builds since 1.30 report their use over the network, and leave files in TMPDIR, unless told not to.
      TMPDIR: folder,
      ORT_DISABLE_TELEMETRY: '1',
      // What is freed is given back, so that private memory tells what is in use.
      MALLOC_TRIM_THRESHOLD_: '131072',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let reason: string | undefined;
  const endFor = (why: string): void => {
    reason ??= why;
    child.kill('SIGKILL');
  };
  const timer = setTimeout(() => endFor(`took longer than ${timeoutMs} ms`), timeoutMs);
  const forget = onAbort(signal, () => endFor('was given up'));
  try {
    const end = await endOf(child);
    const { code, killedBy } = end;
    return { ...end, how: reason ?? (killedBy === null ? `ended with code ${code}` : `was ended by ${killedBy}`) };
  } finally {
    clearTimeout(timer);
    forget();
  }
}

/** The last line of JSON that it wrote, where that is a message as `isMessage` knows it. */
export function lastMessage<T>(stdout: string, isMessage: (value: unknown) => value is T): T | undefined {
  try {
    const value: unknown = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    return isMessage(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function endOf(child: ChildProcess): Promise<Omit<ChildEnd, 'how'>> {
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout = (stdout + text).slice(-STDOUT_CHARS_MAX)));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-STDERR_CHARS_MAX)));
    child.once('error', (error) => {
      reject(new PluginError('ERR_INGEST_FAILED', `its process did not run: ${error.message}`, { cause: error }));
    });
    child.once('close', (code, killedBy) => resolve({ stdout, stderr, code, killedBy }));
  });
}
