/**
 * Gives memory that was freed back to the system. By itself glibc gives back the end of its heap only, and one small
 * block there keeps all below it; `malloc_trim` gives back every free page. Node cannot call it, a foreign function can.
 */

import { createRequire } from 'node:module';
import { privateBytes } from '@tetris/common/environment';

/** A larger heap of JavaScript is left to V8: to collect it takes longer than a request should wait, bytes. */
const COLLECTED_BYTES_MAX = 64 * 1024 ** 2;

/**
 * An instance is at rest when none of its activations has ended for so long, ms. One that is called every second or so
 * keeps what its next run needs.
 */
const REST_MS = 2_000;

/**
 * One that never rests gives back what is free so often, ms. Not more often: pages that are given back are faulted in
 * again by the next run, and every ten seconds is one run in a hundred of a model that takes 70 ms.
 */
const BUSY_INTERVAL_MS = 60_000;

/**
 * It gives back sooner where it nears its limit: what it has for itself is beyond one share of the limit, and has grown
 * by another since it gave back last.
 */
const NEAR = 0.5;
const GROWN = 0.2;

/** How often that is looked at, ms. */
const LOOK_MS = 100;

let mallocTrim: ((padBytes: number) => number) | undefined;
let timer: NodeJS.Timeout | undefined;
let trimmedMs = performance.now();
/** When the last activation has ended. */
let endedMs = trimmedMs;
let lookedMs = trimmedMs;
let limitBytes = Infinity;
/** Memory of its own that it had when it gave back last. */
let leftBytes = 0;

/** Says how much memory the process may have. Until then none is looked at: an instance without a model is not. */
export function trimWithin(bytes: number): void {
  limitBytes = bytes;
}

/** Collects garbage, and gives back what is free then, of all threads. Some milliseconds. */
export function trimHeap(): void {
  clearTimeout(timer);
  timer = undefined;
  trimmedMs = performance.now();
  if (process.memoryUsage().heapUsed <= COLLECTED_BYTES_MAX) globalThis.gc?.();
  mallocTrim ??= loadMallocTrim();
  mallocTrim(0);
  leftBytes = privateBytes();
}

/** The same once the process is at rest. To be called in its main thread, when an activation has ended. */
export function trimAtRest(): void {
  endedMs = performance.now();
  if (limitBytes < Infinity && endedMs - lookedMs >= LOOK_MS && nearsLimit()) setImmediate(trimHeap);
  else timer ??= setTimeout(trimIfAtRest, REST_MS).unref();
}

function nearsLimit(): boolean {
  lookedMs = endedMs;
  const bytes = privateBytes();
  return bytes > NEAR * limitBytes && bytes > leftBytes + GROWN * limitBytes;
}

/** One timer for many activations: to set a new one for each costs the shortest of them more than it should. */
function trimIfAtRest(): void {
  timer = undefined;
  const nowMs = performance.now();
  const untilRestMs = endedMs + REST_MS - nowMs;
  if (untilRestMs <= 0 || nowMs - trimmedMs >= BUSY_INTERVAL_MS) trimHeap();
  else timer = setTimeout(trimIfAtRest, untilRestMs).unref();
}

/** Does nothing where there is no glibc, or no build of koffi for it. */
function loadMallocTrim(): (padBytes: number) => number {
  try {
    // Loaded when it is first wanted: no answer waits for it. The build for this platform itself, because what koffi
    // puts before it takes an instance another 0.2 MB.
    const besideKoffi = createRequire(require.resolve('koffi'));
    const koffi = besideKoffi(`@koromix/koffi-${process.platform}-${process.arch}`) as typeof import('koffi');
    return koffi.load('libc.so.6').func('int malloc_trim(size_t)') as (padBytes: number) => number;
  } catch {
    return () => 0;
  }
}
