import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { errorMessage, PluginError } from '@tetris/common/errors';
import { armedFault } from '../fault';
import { onAbort } from '../on-abort';
import type { PublishJob, PublishOutcome } from './publish-tensors';
import type { PublishMessage } from './publish-worker';

/** Heap of the thread, MiB: the graph without its tensors, as objects. */
const HEAP_MB_MAX = 2048;

/**
 * Runs {@link publishTensors} in a thread of its own, which is gone when this settles.
 * @throws PluginError as publishTensors, `ERR_INGEST_FAILED` where the thread itself failed, or the signal's reason
 */
export async function publishInThread(
  job: PublishJob,
  onProgress: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<PublishOutcome> {
  signal.throwIfAborted();
  const worker = new Worker(join(__dirname, 'publish-worker.js'), {
    workerData: { job, fault: armedFault() },
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
  });
  const forget = onAbort(signal, () => void worker.terminate());
  try {
    return await outcomeOf(worker, onProgress);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    forget();
  }
}

/** What the thread ends with, once it has ended: until then it may write. */
function outcomeOf(worker: Worker, onProgress: (done: number, total: number) => void): Promise<PublishOutcome> {
  return new Promise((resolve, reject) => {
    let published: PublishOutcome | undefined;
    let failure = new PluginError('ERR_INGEST_FAILED', 'cutting it was ended', { retriable: true });
    worker.on('message', (message: PublishMessage) => {
      if ('published' in message) published = message.published;
      else if ('error' in message) failure = PluginError.fromWire(message.error);
      else onProgress(message.done, message.total);
    });
    worker.on('error', (error) => {
      failure = new PluginError('ERR_INGEST_FAILED', `cutting it failed: ${errorMessage(error)}`, { cause: error });
    });
    worker.on('exit', () => {
      if (published === undefined) reject(failure);
      else resolve(published);
    });
  });
}
