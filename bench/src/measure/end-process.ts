import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** Resolves when a child has ended; at once where it has already, or never started. */
export async function endProcess(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}
