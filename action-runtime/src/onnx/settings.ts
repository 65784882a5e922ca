import { machineMemory } from '@tetris/common/environment';
import type { RunReport } from '../inference/pool';
import type { WorkerStarter } from '../inference/worker-starter';
import type { RuntimeConfig } from '../keys';
import type { StartTrace } from '../start-trace';

/** What `/init` says about inference: `value.tetris`, from our invoker extension only. */
export interface InferenceSettings {
  /** Activations that it is given at once. @default 1, or no bound where it may be given several */
  room: number;
  /** Workers that run side by side. @default 1 */
  workers: number;
  /** Intra-op threads of each session that does not say itself. @default 1 */
  threads: number;
  /** Rows that concurrent calls are joined to at most. @default 1, which joins none */
  batch: number;
  /** Longest wait for mates while a worker is idle, ms. @default 0 */
  batchWaitMs: number;
  /** Calls of unlike lengths are padded to be joined, where the model has a mask. @default false */
  padding: boolean;
  /** An instance that ran before begins anew: its models answer first without packing their weights. @default false */
  wakes: boolean;
  /** Latency objective of an activation, ms. @default undefined, none */
  sloMs: number | undefined;
  /** The action's memory limit. @default what the machine or the control group has */
  memoryBytes: number;
}

/** Epoch ms. */
export interface ActivationTimes {
  startedMs: number;
  /** When its answer is due; undefined where the invoker does not say: then the objective counts from `startedMs`. */
  dueMs?: number | undefined;
  /** Infinity where the invoker does not say. */
  deadlineMs: number;
  /** Whose span its work is part of; undefined where the invoker does not say. */
  traceparent?: string | undefined;
  /** Told when a run of the activation has ended. */
  onRun: (run: RunReport) => void;
}

/** What the module behind `onnxruntime-node` needs to know of its instance. */
export interface InstanceSettings {
  config: RuntimeConfig;
  /** The runtime's own folder for spooled models. */
  folder: string;
  /** Invoking namespace; '' where unknown. */
  namespace: string;
  /** `/namespace/name`; '' where unknown. */
  actionName: string;
  inference: InferenceSettings;
  /** The activation that calls; undefined where that cannot be known. */
  activation: () => ActivationTimes | undefined;
  /** Told how long the first model's stages take. */
  trace: StartTrace;
  /** Where inference workers come from. */
  starter: WorkerStarter;
  /** Takes what frees the memory of sessions until they are run again. */
  onSleep: (sleep: () => Promise<void>) => void;
}

let provided: InstanceSettings | undefined;

/** Called once, before user code is loaded. */
export function provideSettings(settings: InstanceSettings): void {
  provided = settings;
}

/** @throws Error before they are provided */
export function instanceSettings(): InstanceSettings {
  if (provided === undefined) throw new Error('the instance has no settings yet');
  return provided;
}

/**
 * Reads `value.tetris`; what is missing or out of range becomes the default or the bound.
 *
 * @param concurrent whether an invoker that does not say may give it several activations at once
 */
export function readInferenceSettings(value: unknown, workersMax: number, concurrent: boolean): InferenceSettings {
  const given = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  return {
    room: count(given['room'], Number.MAX_SAFE_INTEGER) ?? (concurrent ? Infinity : 1),
    workers: count(given['workers'], workersMax) ?? 1,
    threads: count(given['threads'], THREADS_MAX) ?? 1,
    batch: count(given['batch'], BATCH_MAX) ?? 1,
    batchWaitMs: count(given['batchWaitMs'], WAIT_MS_MAX) ?? 0,
    padding: given['padding'] === true,
    wakes: given['wakes'] === true,
    sloMs: count(given['sloMs'], Number.MAX_SAFE_INTEGER),
    memoryBytes: Math.min((count(given['memoryMb'], MEMORY_MB_MAX) ?? MEMORY_MB_MAX) * MIB, machineMemory()),
  };
}

const THREADS_MAX = 256;
const BATCH_MAX = 1024;
const WAIT_MS_MAX = 60_000;
const MIB = 1024 ** 2;
const MEMORY_MB_MAX = Math.floor(Number.MAX_SAFE_INTEGER / MIB);

function count(value: unknown, max: number): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 ? Math.min(value, max) : undefined;
}
