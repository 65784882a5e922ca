/**
 * Gives memory that was freed back to the system. By itself glibc gives back the end of its heap only, and one small
 * block there keeps all below it; `malloc_trim` gives back every free page. Node cannot call it, a foreign function can.
 */

import { createRequire } from 'node:module';
import { privateBytes } from '@tetris/common/environment';
import { REST_MS, TrimPolicy } from './trim-policy';

/** A larger heap of JavaScript is left to V8: to collect it takes longer than a request should wait, bytes. */
const COLLECTED_BYTES_MAX = 64 * 1024 ** 2;

let mallocTrim: ((padBytes: number) => number) | undefined;
let timer: NodeJS.Timeout | undefined;
const policy = new TrimPolicy(performance.now());

/** Says how much memory the process may have. */
export function trimWithin(bytes: number): void {
  policy.limit(bytes);
}

/** Says that a model was loaded. */
export function trimAfterLoad(): void {
  policy.loaded();
}

/** Collects garbage, and gives back what is free then, of all threads. Some milliseconds. */
export function trimHeap(): void {
  clearTimeout(timer);
  timer = undefined;
  if (process.memoryUsage().heapUsed <= COLLECTED_BYTES_MAX) globalThis.gc?.();
  mallocTrim ??= loadMallocTrim();
  mallocTrim(0);
  policy.trimmed(performance.now());
}

/**
 * The same once the process is at rest. To be called in its main thread, when an activation has ended.
 * @param ranMs how long that took
 */
export function trimAtRest(ranMs = 0): void {
  const nowMs = performance.now();
  policy.ended(nowMs, ranMs);
  if (policy.nearsLimit(nowMs, privateBytes)) setImmediate(trimHeap);
  else timer ??= setTimeout(trimIfAtRest, REST_MS).unref();
}

/** One timer for many activations: to set a new one for each costs the shortest of them more than it should. */
function trimIfAtRest(): void {
  timer = undefined;
  const waitMs = policy.waitMs(performance.now());
  if (waitMs === 0) trimHeap();
  else timer = setTimeout(trimIfAtRest, waitMs).unref();
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
