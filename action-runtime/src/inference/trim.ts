import { setTimeout as delay } from 'node:timers/promises';
import { TRIM_BYTES } from '@tetris/common/environment';

/**
 * Gives memory that was freed, by onnxruntime and by this thread, back to the system: the allocator keeps less than its
 * threshold, and a freed block larger than that makes it give up all at the end of its heap. A few milliseconds, more
 * of them with a large heap of JavaScript.
 */
export function trimHeap(): void {
  if (globalThis.gc === undefined) return;
  Buffer.allocUnsafeSlow(TRIM_BYTES);
  globalThis.gc();
}

/** The block is freed by another thread of V8's; waited for so often at most, ms. */
const FREED_WAITS_MAX = 20;

/**
 * The same before anything else is put on the heap, and without a look at old objects, of which user code may have many.
 * Resolves when it is done, after some milliseconds.
 */
export async function trimNow(): Promise<void> {
  if (globalThis.gc === undefined) return;
  Buffer.allocUnsafeSlow(TRIM_BYTES);
  const { arrayBuffers } = process.memoryUsage();
  // What has survived one of these collections is freed by the next.
  globalThis.gc(true);
  globalThis.gc(true);
  for (
    let wait = 0;
    wait < FREED_WAITS_MAX && process.memoryUsage().arrayBuffers > arrayBuffers - TRIM_BYTES;
    wait += 1
  )
    await delay(1);
}
