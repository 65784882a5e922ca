import { processTree } from './measure/process-memory';

/** What ends a command, with its number: 128 and that is the exit code then. */
export const SIGNALS = [
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const;

/** Work that has not ended so long after a signal is left, ms. */
const GIVE_UP_MS = 10_000;

/**
 * A signal ends every process that was started, so that the work fails and removes what it has made; after a while this
 * process ends in any case. Its exit code tells the signal.
 */
export function endWorkOnSignals(): void {
  for (const [signal, number] of SIGNALS) {
    process.once(signal, () => {
      process.once('exit', () => {
        endChildren();
        process.exitCode = 128 + number;
      });
      endChildren();
      setTimeout(() => process.exit(), GIVE_UP_MS).unref();
    });
  }
}

function endChildren(): void {
  for (const pid of processTree(process.pid).slice(1)) {
    try {
      process.kill(pid, 'SIGTERM');
    } catch {
      // It has ended by itself.
    }
  }
}
