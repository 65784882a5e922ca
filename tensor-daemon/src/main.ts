import { createLogger, errorMessage, readConfig } from '@tetris/common';
import { DAEMON_CONFIG } from './config';
import { startDaemon } from './daemon';

/** Starts the daemon from its environment; SIGTERM and SIGINT end it in order. */
async function main(): Promise<void> {
  const config = readConfig(DAEMON_CONFIG, process.env);
  const log = createLogger('daemon', config.logLevel);
  const daemon = await startDaemon(config, log);
  const stop = (): void => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.removeListener(signal, stop);
    void daemon.stop().then(() => process.exit(0));
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop);
}

main().catch((error: unknown) => {
  process.stderr.write(`tensor-daemon: ${errorMessage(error)}\n`);
  process.exit(1);
});
