import { createLogger, errorMessage, readConfig, stopOnSignals } from '@tetris/common';
import { DAEMON_CONFIG } from './config';
import { startDaemon } from './daemon';

/** Starts the daemon from its environment and ends it in order on a signal. */
async function main(): Promise<void> {
  const config = readConfig(DAEMON_CONFIG, process.env);
  const log = createLogger('daemon', config.logLevel);
  const daemon = await startDaemon(config, log);
  stopOnSignals(() => daemon.stop(), log);
}

main().catch((error: unknown) => {
  process.stderr.write(`tensor-daemon: ${errorMessage(error)}\n`);
  process.exit(1);
});
