import { setTimeout as sleep } from 'node:timers/promises';

/** What `work` gives; undefined where that takes longer than `ms`. The work goes on then. */
export async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  const done = new AbortController();
  const late = sleep(ms, undefined, { signal: done.signal }).catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    done.abort();
  }
}
