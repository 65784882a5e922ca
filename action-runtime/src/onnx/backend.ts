import { DaemonClient } from '@tetris/common/daemon';
import type { Backend } from 'onnxruntime-common';
import { type RunTimes, WorkerPool } from '../inference/pool';
import { resolveModel } from './model-source';
import { notice } from './notice';
import { Sessions } from './sessions';
import type { ActivationTimes, InstanceSettings } from './settings';
import { type LeaseSettings, SharedModels } from './shared-models';

/** Of an action's memory that copies of inputs may take. */
const INPUT_SHARE = 0.25;

/**
 * Makes the instance's backend for onnxruntime's registry, and warms it up: plain onnxruntime, too, loads its native library
 * when it is required.
 */
export function inferenceBackend(settings: InstanceSettings): Backend {
  const { config, folders, folder, inference, activation, startup } = settings;
  const pool = new WorkerPool({
    workers: inference.workers,
    heapMax: config.workerHeapMax,
    queueMax: config.queueMax,
    inputBytesMax: config.inputBytesMax || Math.floor(inference.memoryBytes * INPUT_SHARE),
    rowsMax: inference.batch,
    bytesMax: config.jointBytesMax,
    pads: inference.padding,
    waitMs: inference.batchWaitMs,
    times: () => runTimes(activation(), inference.sloMs),
    notice,
  });
  const client = config.daemonSocket === '' ? undefined : new DaemonClient(config.daemonSocket);
  // Node loads and compiles its HTTP client with the first request: 5 ms that the first model should not pay.
  client?.health().catch(() => undefined);
  const shared = client === undefined ? undefined : new SharedModels(client, leaseSettings(settings));
  const sessions = new Sessions(pool, shared, folder, {
    threads: inference.threads,
    quickBytesMin: config.quickBytesMin,
  });
  startup(sessions.warmUp());
  return {
    init: async () => undefined,
    createInferenceSessionHandler: async (model, options = {}) =>
      sessions.create(await resolveModel(model, folders), options),
  };
}

function runTimes(activation: ActivationTimes | undefined, sloMs = Infinity): RunTimes {
  const { startedMs = Infinity, dueMs = startedMs + sloMs, deadlineMs = Infinity, onRun } = activation ?? {};
  return { dueMs, deadlineMs, onRun };
}

function leaseSettings({ config, namespace }: InstanceSettings): LeaseSettings {
  return {
    views: config.views,
    instance: config.instance,
    namespace,
    retryMs: config.leaseRetryMs,
    retriesMax: config.leaseRetriesMax,
  };
}
