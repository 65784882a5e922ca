/** Starts a function instance: its first inference worker where that is asked for, and the rest while it comes up. */
import { errorMessage } from '@tetris/common/errors';
import { WorkerStarter } from './inference/worker-starter';
import { readRuntimeConfig } from './keys';

async function main(): Promise<void> {
  const nodeMs = performance.now();
  // Before the native library is loaded, whoever started this process.
  process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
  const config = readRuntimeConfig(process.env);
  const starter = new WorkerStarter(config.workerHeapMax);
  if (config.warmUp) starter.warmUp();
  // Not imported above, nor by `import()`, which would set up the loader of ES modules first.
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const { serveInstance } = require('./instance') as typeof import('./instance');
  await serveInstance(config, starter, nodeMs);
}

main().catch((error: unknown) => {
  process.stderr.write(`tetris: the runtime did not start: ${errorMessage(error)}\n`);
  process.exit(1);
});
