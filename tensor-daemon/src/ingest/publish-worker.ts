/** The worker thread around {@link publishTensors}: one job, progress, one answer. It dies with the daemon. */
import { parentPort, workerData } from 'node:worker_threads';
import { asPluginError, PluginError, type WireError } from '@tetris/common/errors';
import { armFault, type Fault } from '../fault';
import { unshareableError } from '../source/read-model';
import { type PublishJob, type PublishOutcome, publishTensors } from './publish-tensors';

/** What the thread posts. */
export type PublishMessage = { done: number; total: number } | { published: PublishOutcome } | { error: WireError };

function main(): void {
  const post = (message: PublishMessage): void => parentPort?.postMessage(message);
  const { job, fault } = workerData as { job: PublishJob; fault: Fault | undefined };
  armFault(fault);
  try {
    post({ published: publishTensors(job, (done, total) => post({ done, total })) });
  } catch (error) {
    post({ error: reported(error).toWire() });
  }
}

/** Whatever cannot be cut came from the optimizer, hence from the model. */
function reported(error: unknown): PluginError {
  if (error instanceof RangeError) return unshareableError({ reason: 'not-cut', detail: error.message });
  const plugin = asPluginError(error);
  return plugin.code === 'ERR_INTERNAL' ? new PluginError('ERR_INGEST_FAILED', plugin.message) : plugin;
}

main();
