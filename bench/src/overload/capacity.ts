import { setTimeout as delay } from 'node:timers/promises';
import { rounded } from '../measure/statistics';
import { SATURATING_CALLERS } from '../sharing/calibration';
import type { Rate } from '../sharing/callers';
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
  const loop = (): Promise<number> => platform.callers.closedLoop(SATURATING_CALLERS, forMs);
  const quiet = await loop();
  return { quiet, beside: neighbour === undefined ? quiet : await beside(neighbour, forMs, loop) };
}

/** While the neighbour works; resolves when it has come to rest. */
async function beside<T>(neighbour: Neighbour, forMs: number, loop: () => Promise<T>): Promise<T> {
  const startMs = performance.now();
  neighbour.work(2 * forMs);
  const result = await loop();
  await delay(Math.max(0, startMs + 2 * forMs - performance.now()));
  return result;
}

/** Answers of so many callers in closed loops. */
export interface ClosedLoopFigures extends Rate {
  callers: number;
}

/** With fewer callers than saturate the node answers come sooner, and fewer of them. */
const CALLERS = [1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1].map((share) => Math.round(share * SATURATING_CALLERS));

/** Closed loops of ever more callers, the last of which saturate the node. */
export async function measureClosedLoops(
  platform: LoadedPlatform,
  neighbour: Neighbour | undefined,
  { forMs, withinMs }: { forMs: number; withinMs: number },
): Promise<ClosedLoopFigures[]> {
  const figures: ClosedLoopFigures[] = [];
  for (const callers of CALLERS) {
    await platform.callers.closedLoop(callers, forMs / 4);
    const loop = (): Promise<Rate> => platform.callers.closedLoopWithin(callers, forMs, withinMs);
    const { perSecond, withinPerSecond } = await (neighbour === undefined ? loop() : beside(neighbour, forMs, loop));
    figures.push({ callers, perSecond: rounded(perSecond, 1), withinPerSecond: rounded(withinPerSecond, 1) });
  }
  return figures;
}

export const meanOf = (one: Capacity, other: Capacity): Capacity => ({
  quiet: (one.quiet + other.quiet) / 2,
  beside: (one.beside + other.beside) / 2,
});

/** @param share of the time in which the neighbour is at it */
export const overTime = ({ quiet, beside }: Capacity, share: number): number => (1 - share) * quiet + share * beside;
