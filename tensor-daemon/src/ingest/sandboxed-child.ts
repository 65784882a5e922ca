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
  /** Time from the first line that it writes; what it has not said then is not waited for. */
  afterFirstLineMs?: number;
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
  /** Whether it was ended because its time was over. */
  late: boolean;
}

/** @throws PluginError `ERR_INGEST_FAILED` where it cannot be started */
export async function runSandboxed(
  { program, job, folder }: ChildJob,
  sandbox: Sandbox,
  { timeoutMs, signal, afterFirstLineMs }: ChildLimits,
): Promise<ChildEnd> {
  const [command = '', ...args] = sandbox.wrap([process.execPath, program, JSON.stringify(job)]);
  const child = spawn(command, args, {
    cwd: folder,
    env: {
      // onnxruntime's builds since 1.30 report their use over the network, and leave files in TMPDIR, unless told not
      // to.
      TMPDIR: folder,
      ORT_DISABLE_TELEMETRY: '1',
      // What is freed is given back, so that private memory tells what is in use.
      MALLOC_TRIM_THRESHOLD_: '131072',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let reason: string | undefined;
  let late = false;
  const endFor = (why: string): void => {
    reason ??= why;
    child.kill('SIGKILL');
  };
  const endLate = (why: string): void => {
    late = true;
    endFor(why);
  };
  const timers = [setTimeout(() => endLate(`took longer than ${timeoutMs} ms`), timeoutMs)];
  if (afterFirstLineMs !== undefined) {
    child.stdout?.once('data', () => timers.push(setTimeout(() => endLate('had no more time'), afterFirstLineMs)));
  }
  const forget = onAbort(signal, () => endFor('was given up'));
  try {
    const end = await endOf(child);
    const { code, killedBy } = end;
    return {
      ...end,
      late,
      how: reason ?? (killedBy === null ? `ended with code ${code}` : `was ended by ${killedBy}`),
    };
  } finally {
    for (const timer of timers) clearTimeout(timer);
    forget();
  }
}

/** The lines of JSON that it wrote, up to the first that is none. */
export function messagesOf(stdout: string): unknown[] {
  const messages: unknown[] = [];
  for (const line of stdout.split('\n')) {
    try {
      messages.push(JSON.parse(line));
    } catch {
      break;
    }
  }
  return messages;
}

function endOf(child: ChildProcess): Promise<Omit<ChildEnd, 'how' | 'late'>> {
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
