/**
 * Room for what an optimizer writes, while it writes it: a model of a few bytes may compute constants of gigabytes, so
 * its size says little about that of its optimized form.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Reservation } from '../store/reclaimer';

/** Time between two looks: a tmpfs takes about a hundred megabytes in it. */
const LOOK_INTERVAL_MS = 50;

/** Bytes of the files in a folder: what they take, or will take once their holes are filled. */
export function bytesIn(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => {
    const stats = statSync(join(folder, name), { throwIfNoEntry: false });
    return stats?.isFile() === true ? sum + Math.max(stats.blocks * 512, stats.size) : sum;
  }, 0);
}

/**
 * Does some work, and sets room aside for what it writes into a folder.
 *
 * @param work is told by its signal to end where there is no room left
 * @throws PluginError `ERR_STORE_FULL`, or what the work throws
 */
export async function withRoom<T>(
  folder: string,
  room: Reservation,
  bytesMin: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const full = new AbortController();
  let looking: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    try {
      await room.resize(Math.max(bytesMin, bytesIn(folder)));
    } catch (error) {
      full.abort(error);
    }
    looking = undefined;
  };
  const timer = setInterval(() => {
    if (!full.signal.aborted) looking ??= look();
  }, LOOK_INTERVAL_MS);
  try {
    const result = await work(full.signal);
    // What a look has asked for is not set aside before it is granted.
    await looking;
    full.signal.throwIfAborted();
    return result;
  } catch (error) {
    throw full.signal.aborted ? full.signal.reason : error;
  } finally {
    clearInterval(timer);
  }
}
