import { DaemonClient } from '@tetris/common/daemon';
import type { Backend } from 'onnxruntime-common';
import { WorkerPool } from '../inference/pool';
import { resolveModel } from './model-source';
import { Sessions } from './sessions';
import type { InstanceSettings } from './settings';
import { SharedModels } from './shared-models';

/**
 * Makes the instance's backend for onnxruntime's registry, and starts its first worker: plain onnxruntime, too, loads its
 * native library when it is required.
 */
export function inferenceBackend(settings: InstanceSettings): Backend {
  const { config, folders, folder, inference, startup } = settings;
  const pool = new WorkerPool({
    workers: inference.workers,
    heapMax: config.workerHeapMax,
    queueMax: config.queueMax,
  });
  startup(pool.warm());
  const sessions = new Sessions(pool, sharedModels(settings), folder, inference.threads);
  return {
    init: async () => undefined,
    createInferenceSessionHandler: async (model, options = {}) =>
      sessions.create(await resolveModel(model, folders), options),
  };
}

function sharedModels({ config, namespace }: InstanceSettings): SharedModels | undefined {
  if (config.daemonSocket === '') return undefined;
  return new SharedModels(new DaemonClient(config.daemonSocket), {
    views: config.views,
    instance: config.instance,
    namespace,
    retryMs: config.leaseRetryMs,
    retriesMax: config.leaseRetriesMax,
  });
}
