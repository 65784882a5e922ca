/**
 * The part of configuration that needs no schema library: function instances read their few keys with this, because
 * each megabyte of an instance is paid per instance.
 */
import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';

/** `socketPath` of `daemon` -> `TETRIS_DAEMON_SOCKET_PATH`. */
export function environmentName(component: string, name: string): string {
  const snake = (text: string): string =>
    text
      .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
      .replace(/-/g, '_')
      .toUpperCase();
  return `TETRIS_${snake(component)}_${snake(name)}`;
}

const UNITS: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** `512m` -> 536870912; undefined where it is no size. */
export function parseBytes(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  const match = /^\s*(\d+(?:\.\d+)?)\s*([bkmgt]?)b?\s*$/i.exec(value);
  if (match === null) return undefined;
  return Math.floor(Number(match[1]) * (UNITS[(match[2] ?? '').toLowerCase() || 'b'] ?? 1));
}

/** Memory that this process may use: the machine's, or what its control group is given of it; bytes. */
export function machineMemory(total = totalmem(), constrained = process.constrainedMemory()): number {
  // Without a limit it is 0 or more than there is.
  return constrained > 0 ? Math.min(total, constrained) : total;
}

/** Memory that is this process's alone, bytes; 0 where nothing tells it. */
export function privateBytes(): number {
  return 1024 * Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? 0);
}

/**
 * Freed memory at the end of the allocator's heap that a function instance keeps until it is at rest, bytes. Packing a
 * weight and running a model take buffers and free them again: given back at once, each is faulted in anew. 190 ms of a
 * load of 490 ms (340 MB model), a third of a run of SSD with a batch of 16.
 */
const TRIM_THRESHOLD_BYTES = 1024 ** 3;

/** Environment that every function instance has, whoever starts it; the action image's Dockerfile repeats it. */
export const INSTANCE_ENVIRONMENT: Readonly<Record<string, string>> = {
  MALLOC_TRIM_THRESHOLD_: String(TRIM_THRESHOLD_BYTES),
  // No block is mapped by itself, and unmapped when it is freed.
  MALLOC_MMAP_MAX_: '0',
  // One for the main thread, one for the workers: each further one keeps free memory of its own.
  MALLOC_ARENA_MAX: '2',
  // onnxruntime's builds since 1.30 report their use over the network, and leave files in TMPDIR, unless told not to.
  ORT_DISABLE_TELEMETRY: '1',
};

/** Where our runtime is asked, beside `/init` and `/run`, to give memory back until the next activation. */
export const SLEEP_PATH = '/sleep';

/** W3C's header of `/init`, `/run` and of what comes of them: the span that the receiver's work is part of. */
export const TRACE_HEADER = 'traceparent';

/** Header of a request to `/run`: epoch ms by which its answer is due, where the action has an objective. */
export const DUE_HEADER = 'x-tetris-due';

/**
 * Where the time from the start of an instance to its first answer goes: until Node runs our first line, until `/init` can
 * come, the archive, what the action loads, and the lease, load and run of its first model.
 */
export const START_STAGES = ['node', 'runtime', 'unpack', 'code', 'lease', 'load', 'run'] as const;
export type StartStage = (typeof START_STAGES)[number];

/** Header of replies: `<stage>=<ms>,...`, each stage in the first reply after it. */
export const START_HEADER = 'x-tetris-start';

/**
 * Header of a reply to `/run`: `<waitedMs>,<requests>,<executionMs>`, how long the activation's inference waited for
 * its execution, how many requests were executed together (0: this activation tells nothing of that), and how long that
 * took. Absent where no model was run.
 */
export const INFERENCE_HEADER = 'x-tetris-inference';
