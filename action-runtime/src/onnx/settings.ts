import type { RuntimeConfig } from '../keys';
import type { ModelFolders } from './model-source';

/** What `/init` says about inference: `value.tetris`, from our invoker extension only. */
export interface InferenceSettings {
  /** Workers that run side by side. @default 1 */
  workers: number;
  /** Intra-op threads of each session that does not say itself. @default 1 */
  threads: number;
}

/** What the module behind `onnxruntime-node` needs to know of its instance. */
export interface InstanceSettings {
  config: RuntimeConfig;
  folders: ModelFolders;
  /** The runtime's own folder for spooled models. */
  folder: string;
  /** Invoking namespace; '' where unknown. */
  namespace: string;
  inference: InferenceSettings;
  /** Takes work that the answer to `/init` waits for, so that the first activation does not. */
  startup: (work: Promise<unknown>) => void;
}

let provided: InstanceSettings | undefined;

/** Called once, before user code is loaded. */
export function provideSettings(settings: InstanceSettings): void {
  provided = settings;
}

/** Undefined in threads that user code started itself. */
export function instanceSettings(): InstanceSettings | undefined {
  return provided;
}

/** Reads `value.tetris`; what is missing or out of range becomes the default or the bound. */
export function readInferenceSettings(value: unknown, workersMax: number): InferenceSettings {
  const given = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  return { workers: count(given['workers'], workersMax), threads: count(given['threads'], THREADS_MAX) };
}

const THREADS_MAX = 256;

function count(value: unknown, max: number): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 ? Math.min(value, max) : 1;
}
