import { setTimeout as delay } from 'node:timers/promises';
import { SATURATING_CALLERS } from '../sharing/calibration';
import type { LoadedPlatform } from '../sharing/loaded-platform';
import type { Neighbour } from './neighbour';

/** What the node answers by closed loops, right answers per second. */
export interface Capacity {
  quiet: number;
  /** While the neighbour is at it; as without where there is none. */
  beside: number;
}

/** Callers that have just been answered ask at once: the queue is never empty. */
export async function measureCapacity(
  platform: LoadedPlatform,
  neighbour: Neighbour | undefined,
  forMs: number,
): Promise<Capacity> {
  // Wakes the instance, which is frozen while it has nothing to do.
  await platform.callers.closedLoop(SATURATING_CALLERS, forMs / 4);
  const quiet = await platform.callers.closedLoop(SATURATING_CALLERS, forMs);
  if (neighbour === undefined) return { quiet, beside: quiet };
  const startMs = performance.now();
  neighbour.work(2 * forMs);
  const beside = await platform.callers.closedLoop(SATURATING_CALLERS, forMs);
  await delay(Math.max(0, startMs + 2 * forMs - performance.now()));
  return { quiet, beside };
}

export const meanOf = (one: Capacity, other: Capacity): Capacity => ({
  quiet: (one.quiet + other.quiet) / 2,
  beside: (one.beside + other.beside) / 2,
});

/** @param share of the time in which the neighbour is at it */
export const overTime = ({ quiet, beside }: Capacity, share: number): number => (1 - share) * quiet + share * beside;
