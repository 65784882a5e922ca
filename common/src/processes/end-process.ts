import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** From a signal that asks to the one that does not. */
const KILL_MS = 20_000;

/**
 * Ends a child process; at once done where it has ended already, or never started.
 *
 * @param signal what it is asked with
 * @param killMs after which it is killed, ms
 * @returns its exit code when it is gone; null where a signal has ended it
 */
export async function endProcess(
  child: ChildProcess,
  signal: NodeJS.Signals = 'SIGKILL',
  killMs = KILL_MS,
): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return child.exitCode;
  const ended = once(child, 'exit');
  child.kill(signal);
  const killer = setTimeout(() => child.kill('SIGKILL'), killMs);
  await ended;
  clearTimeout(killer);
  return child.exitCode;
}
