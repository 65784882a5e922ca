import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { errorMessage, PluginError } from '@tetris/common/errors';
import { armedFault } from '../fault';
import { onAbort } from '../on-abort';
import type { PublishedTensor, PublishJob } from './publish-tensors';
import type { PublishMessage } from './publish-worker';

/** Heap of the thread, MiB: the graph without its tensors, as objects. */
const HEAP_MB_MAX = 2048;

/**
 * Runs {@link publishTensors} in a thread of its own.
 * @throws PluginError as publishTensors, or `ERR_INGEST_FAILED` where the thread itself failed
 */
export function publishInThread(
  job: PublishJob,
  onProgress: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<PublishedTensor[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(join(__dirname, 'publish-worker.js'), {
      workerData: { job, fault: armedFault() },
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    const forget = onAbort(signal, () => void worker.terminate());
    worker.on('message', (message: PublishMessage) => {
      if ('tensors' in message) resolve(message.tensors);
      else if ('error' in message) reject(PluginError.fromWire(message.error));
      else onProgress(message.done, message.total);
    });
    worker.on('error', (error) => {
      reject(new PluginError('ERR_INGEST_FAILED', `cutting it failed: ${errorMessage(error)}`, { cause: error }));
    });
    worker.on('exit', () => {
      forget();
      reject(new PluginError('ERR_INGEST_FAILED', 'cutting it was ended', { retriable: true }));
    });
  });
}
