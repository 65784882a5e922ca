import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** After a signal that asks, before the one that does not. */
const END_MS = 20_000;
const started = new Set<ChildProcess>();

/** `spawn` for one test: whatever becomes of the test, the process has ended after it. */
export const spawnInTest: typeof spawn = ((...args: Parameters<typeof spawn>) => {
  const child = spawn(...args);
  started.add(child);
  child.once('exit', () => started.delete(child));
  return child;
}) as typeof spawn;

afterEach(async () => {
  await Promise.all([...started].map((child) => endChild(child)));
  started.clear();
});

/**
 * Resolves when a child has ended and its output is closed here; at once where it has already, or never started.
 * @returns its exit code; null where a signal ended it
 */
export async function endChild(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
  const isOver = child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
  if (!isOver) {
    const ended = once(child, 'exit');
    child.kill(signal);
    const killer = setTimeout(() => child.kill('SIGKILL'), END_MS);
    await ended;
    clearTimeout(killer);
  }
  return child.exitCode;
}
