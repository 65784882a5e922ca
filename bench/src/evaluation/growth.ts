/** Memory as instances come, one after the other, up to what time and machine have room for. */
import { freemem } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { TRIMMED_MS } from '../measure/process-memory';
import { megabytes, rounded } from '../measure/statistics';
import type { FleetInstance, WithFleet } from './fleet';
import type { ServedModel } from './served-model';

/** Runs of each instance before it counts: buffers have grown to their sizes by then. */
const RUNS = 2;

/** Memory of some instances. */
export interface MemoryPoint {
  instances: number;
  mb: number;
  /** Not started, for want of memory or time: each further instance as large as those after the first were. */
  extrapolated?: true;
}

export interface GrowthBounds {
  /** Instances at which memory is read. */
  counts: readonly number[];
  /** What a fleet may fill. @default half of what is free */
  roomBytes?: number;
  /** No further instances are started after it. */
  forMs: number;
}

interface Reading {
  instances: number;
  bytes: number;
}

/** Starts instances of the models in turns, and reads the memory at each count. */
export async function grown(
  withFleet: WithFleet,
  models: readonly ServedModel[],
  { counts, forMs, roomBytes = freemem() / 2 }: GrowthBounds,
): Promise<MemoryPoint[]> {
  return withFleet(async (fleet) => {
    const instances: FleetInstance[] = [];
    const readings: Reading[] = [];
    const untilMs = performance.now() + forMs;
    for (const count of counts) {
      const isOver = readings.length > 1 && performance.now() > untilMs;
      if (isOver || bytesAt(readings, count) > roomBytes) break;
      while (instances.length < count) {
        const instance = await fleet.start(models[instances.length % models.length] as ServedModel);
        await instance.run({ seed: instances.push(instance), runs: RUNS });
      }
      await delay(TRIMMED_MS);
      readings.push({ instances: count, bytes: await fleet.memoryBytes() });
    }
    return counts.map((count) => pointAt(readings, count));
  });
}

function pointAt(readings: readonly Reading[], count: number): MemoryPoint {
  const known = readings.find(({ instances }) => instances === count);
  const mb = rounded(megabytes(known?.bytes ?? bytesAt(readings, count)), 1);
  return { instances: count, mb, ...(known === undefined ? { extrapolated: true } : {}) };
}

/** What so many instances would need if growth goes on as it did; 0 before the first is known. */
export function bytesAt(readings: readonly Reading[], count: number): number {
  const [first, last] = [readings[0], readings.at(-1)];
  if (first === undefined || last === undefined) return 0;
  const span = last.instances - first.instances;
  // Of one instance nothing is known but its own bytes.
  const each = span === 0 ? last.bytes / last.instances : (last.bytes - first.bytes) / span;
  return last.bytes + (count - last.instances) * each;
}
