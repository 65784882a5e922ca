import type { Logger } from '@tetris/common';
import type { LeaseService } from './leases/lease-service';
import { readPressure } from './reclaim/pressure';
import type { Reclaimer } from './reclaim/reclaimer';
import type { Uploads } from './sources/uploads';

/** Share of the store that leaves at each look while memory is under pressure. */
const PRESSURE_SHARE = 0.1;

export interface SweeperParts {
  reclaimer: Reclaimer;
  leases: LeaseService;
  uploads: Uploads;
  now: () => number;
  log: Logger;
}

export interface SweeperOptions {
  sweepIntervalMs: number;
  pressureStallPercent: number;
}

/** Looks in a fixed rhythm for what has expired, and for pressure on the machine's memory. @returns the stop */
export function startSweeper(
  parts: SweeperParts,
  { sweepIntervalMs, pressureStallPercent }: SweeperOptions,
): () => void {
  const { reclaimer, leases, uploads, now, log } = parts;
  const look = async (): Promise<void> => {
    uploads.expire(now());
    reclaimer.expire(now());
    await leases.expire(now());
    if (pressureStallPercent === 0) return;
    const stall = await readPressure();
    if (stall === undefined || stall < pressureStallPercent) return;
    const freed = reclaimer.free(reclaimer.bytes * PRESSURE_SHARE);
    if (freed.bytes > 0) log.warn({ stall, ...freed }, 'memory pressure: tensors reclaimed');
  };
  const timer = setInterval(() => {
    look().catch((error: unknown) => log.error({ err: error }, 'sweep failed'));
  }, sweepIntervalMs);
  return () => clearInterval(timer);
}
