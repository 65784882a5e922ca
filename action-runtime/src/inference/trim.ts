/**
 * Gives memory that was freed back to the system. By itself glibc gives back the end of its heap only, and one small
 * block there keeps all below it; `malloc_trim` gives back every free page. Node cannot call it, a foreign function can.
 */

/** A larger heap of JavaScript is left to V8: to collect it takes longer than a request should wait, bytes. */
const COLLECTED_BYTES_MAX = 64 * 1024 ** 2;

/** What an activation has left behind is given back so long after it, ms. */
const TRIM_AFTER_MS = 300;

/** Pages that are given back are faulted in again by the next run, a millisecond or two: not more often than this, ms. */
const TRIM_INTERVAL_MS = 10_000;

let mallocTrim: ((padBytes: number) => number) | undefined;
let timer: NodeJS.Timeout | undefined;
let trimmedMs = -Infinity;

/** Collects garbage, and gives back what is free then, of all threads. Some milliseconds. */
export function trimHeap(): void {
  trimmedMs = performance.now();
  if (process.memoryUsage().heapUsed <= COLLECTED_BYTES_MAX) globalThis.gc?.();
  mallocTrim ??= loadMallocTrim();
  mallocTrim(0);
}

/** The same in a while. Called in the process's main thread alone. */
export function trimSoon(): void {
  if (timer !== undefined) return;
  const waitMs = Math.max(TRIM_AFTER_MS, trimmedMs + TRIM_INTERVAL_MS - performance.now());
  timer = setTimeout(() => {
    timer = undefined;
    trimHeap();
  }, waitMs).unref();
}

/** Does nothing where there is no glibc, or no build of koffi for it. */
function loadMallocTrim(): (padBytes: number) => number {
  try {
    // Loaded when it is first wanted: no answer waits for it.
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    const koffi = require('koffi') as typeof import('koffi');
    return koffi.load('libc.so.6').func('int malloc_trim(size_t)') as (padBytes: number) => number;
  } catch {
    return () => 0;
  }
}
