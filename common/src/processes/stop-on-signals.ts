import type { Logger } from '../log';

/** Runs `stop` on the first SIGTERM or SIGINT, then ends the process: 0 when it was orderly, 1 when it failed. */
export function stopOnSignals(stop: () => Promise<void>, log: Logger): void {
  let stopping: Promise<void> | undefined;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      stopping ??= stop().then(
        () => process.exit(0),
        (error: unknown) => {
          log.fatal({ err: error }, 'drain failed');
          process.exit(1);
        },
      );
    });
  }
}
