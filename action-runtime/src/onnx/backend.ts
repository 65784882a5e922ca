import { DaemonClient } from '@tetris/common/daemon';
import type { Backend } from 'onnxruntime-common';
import type { RuntimeConfig } from '../keys';
import type { StartTrace } from '../start-trace';
import type { InferenceEngine } from '../inference/engine';
import { OwnThread } from '../inference/own-thread';
import { type RunTimes, WorkerPool } from '../inference/pool';
import { trimWithin } from '../inference/trim';
import { modelReference } from './model-reference';
import { notice } from './notice';
import type { Patience } from './patience';
import { Sessions } from './sessions';
import { workerEngine } from './worker-engine';
import type { ActivationTimes, InferenceSettings, InstanceSettings } from './settings';
import { type LeaseSettings, SharedModels } from './shared-models';

/** Of an action's memory that copies of inputs may take. */
const INPUT_SHARE = 0.25;

/**
 * Makes the instance's backend for onnxruntime's registry, and warms it up where that is not done yet: plain
 * onnxruntime, too, loads its native library when it is required.
 */
export function inferenceBackend(settings: InstanceSettings): Backend {
  const { config, folder } = settings;
  const engine = inferenceEngine(settings);
  settings.onSleep(() => engine.sleep());
  trimWithin(settings.inference.memoryBytes);
  const spanOf = (): string | undefined => settings.activation()?.traceparent;
  const client = config.daemonSocket === '' ? undefined : new DaemonClient(config.daemonSocket, {}, spanOf);
  preload(config);
  const shared = client === undefined ? undefined : new SharedModels(client, leaseSettings(settings));
  const sessions = new Sessions(
    {
      engine,
      trace: settings.trace,
      shared,
      spool: folder,
      roots: config.modelRoots,
      patience: () => patience(config, settings.activation()),
      // Best effort: where the daemon is gone there is nobody to count.
      onPrivateLoad: (reason) => void client?.privateLoad({ reason }).catch(() => undefined),
    },
    {
      threads: settings.inference.threads,
      light: runsOneByOne(settings.inference),
      quickBytesMin: config.quickBytesMin,
    },
  );
  return {
    init: async () => undefined,
    createInferenceSessionHandler: async (model, options = {}) => sessions.create(modelReference(model), options),
  };
}

let isPreloaded = false;

/**
 * What any model needs and the first one should not wait for: Node's HTTP client, which is loaded and compiled with the
 * first request (5 ms). Called in instances that wait for an action, too.
 */
export function preload({ daemonSocket }: RuntimeConfig): void {
  if (isPreloaded) return;
  isPreloaded = true;
  if (daemonSocket !== '') void new DaemonClient(daemonSocket).health().catch(() => undefined);
}

/**
 * An instance that takes one activation at a time, and runs its requests one by one, has them run in the thread of user
 * code.
 */
function inferenceEngine({ config, inference, activation, starter, trace }: InstanceSettings): InferenceEngine {
  const times = (): RunTimes => runTimes(activation(), inference.sloMs, trace);
  if (runsOneByOne(inference)) return new OwnThread({ times, stock: stockBackend(), wakes: inference.wakes });
  starter.use();
  return workerEngine(
    new WorkerPool({
      workers: inference.workers,
      starter,
      queueMax: config.queueMax,
      inputBytesMax: config.inputBytesMax || Math.floor(inference.memoryBytes * INPUT_SHARE),
      rowsMax: inference.batch,
      bytesMax: config.jointBytesMax,
      pads: inference.padding,
      waitMs: inference.batchWaitMs,
      pace: {
        lullWaits: config.batchLullWaits,
        overdueGaps: config.batchOverdueGaps,
        alike: config.batchAlikePercent / 100,
        freshRuns: config.batchFreshRuns,
      },
      times,
      notice,
    }),
  );
}

const runsOneByOne = ({ room, workers, batch }: InferenceSettings): boolean =>
  room === 1 && workers === 1 && batch === 1;

/** Loads onnxruntime's native library into this thread. */
function stockBackend(): Backend {
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  return (require('onnxruntime-node/dist/backend') as { onnxruntimeBackend: Backend }).onnxruntimeBackend;
}

function runTimes(activation: ActivationTimes | undefined, sloMs = Infinity, trace: StartTrace): RunTimes {
  const { startedMs = Infinity, dueMs = startedMs + sloMs, deadlineMs = Infinity, onRun } = activation ?? {};
  return {
    dueMs,
    deadlineMs,
    onRun: (run) => {
      trace.mark('run', run.executionMs);
      onRun?.(run);
    },
  };
}

/** A load that waits for the daemon leaves the activation time for a private load and for its own work. */
function patience(config: RuntimeConfig, activation: ActivationTimes | undefined): Patience {
  const leftMs = (activation?.deadlineMs ?? Infinity) - Date.now();
  return { silenceMs: config.daemonSilenceMs, waitMs: Math.max(0, Math.min(config.shareWaitMs, leftMs / 2)) };
}

function leaseSettings({ config, namespace, actionName }: InstanceSettings): LeaseSettings {
  return {
    views: config.views,
    instance: config.instance,
    namespace,
    actionName,
    retryMs: config.leaseRetryMs,
    retriesMax: config.leaseRetriesMax,
    busyRetryMs: config.busyRetryMs,
    busyAttemptsMax: config.busyAttemptsMax,
  };
}
