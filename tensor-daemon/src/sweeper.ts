import type { Logger } from '@tetris/common';
import type { LeaseService } from './lease/lease-service';
import { readPressure } from './memory';
import type { Cleanups } from './store/cleanups';
import type { Reclaimer } from './store/reclaimer';
import type { Uploads } from './source/uploads';

/** Share of the store that leaves at each look while memory is under pressure. */
const PRESSURE_SHARE = 0.1;

export interface SweeperParts {
  reclaimer: Reclaimer;
  leases: LeaseService;
  uploads: Uploads;
  /** Removals that have failed: of the store, and of the disk tier. */
  cleanups: readonly Cleanups[];
  now: () => number;
  log: Logger;
}

export interface SweeperOptions {
  sweepIntervalMs: number;
  pressureStallPercent: number;
  pressurePath: string;
}

/** Looks in a fixed rhythm for what has expired, and for pressure on the machine's memory. @returns the stop */
export function startSweeper(
  parts: SweeperParts,
  { sweepIntervalMs, pressureStallPercent, pressurePath }: SweeperOptions,
): () => void {
  const { reclaimer, leases, uploads, cleanups, now, log } = parts;
  const look = async (): Promise<void> => {
    const steps: (() => unknown)[] = [
      ...cleanups.map((each) => () => each.retry(now())),
      () => uploads.expire(now()),
      () => leases.expire(now()),
      ...(pressureStallPercent > 0 ? [relieve] : []),
      () => reclaimer.expire(now()),
    ];
    for (const step of steps) {
      try {
        await step();
      } catch (error) {
        log.error({ err: error }, 'sweep failed');
      }
    }
  };
  const relieve = async (): Promise<void> => {
    const stall = await readPressure(pressurePath);
    if (stall === undefined || stall < pressureStallPercent) return;
    const freed = await reclaimer.free(reclaimer.bytes * PRESSURE_SHARE);
    if (freed.bytes > 0) log.warn({ stall, ...freed }, 'memory pressure: tensors reclaimed');
  };
  let looking = false;
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void look().finally(() => (looking = false));
  }, sweepIntervalMs);
  return () => clearInterval(timer);
}
