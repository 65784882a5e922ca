/** Memory of N functions with M instances each in one peer, up to what time and machine have room for. */
import { setTimeout as delay } from 'node:timers/promises';
import { megabytes, rounded } from '../measure/statistics';
import type { ServedModel } from '../evaluation/served-model';
import type { Peer, Served } from './peer';

/** Requests to each instance before it counts. */
const REQUESTS = 5;
/** Rounds in which all instances of a function are asked at once until each has answered. */
const ROUNDS_MAX = 16;

export interface GridCell {
  functions: number;
  instances: number;
  mb: number;
  /** Instances of a function that have answered, where some have not: the server gave them nothing. */
  answered?: number;
  /** Not started, for want of memory or time: as much more as each further instance before was. */
  extrapolated?: true;
}

export interface GridBounds {
  roomBytes: number;
  forMs: number;
  /** Time for garbage collectors and allocators to come to rest before memory is read. */
  settleMs: number;
}

/** @param instances of each function, in turn @returns a cell for each of them */
export async function memoryRow(
  peer: Peer,
  models: readonly ServedModel[],
  instances: readonly number[],
  { roomBytes, forMs, settleMs }: GridBounds,
): Promise<GridCell[]> {
  const cells: GridCell[] = [];
  const untilMs = performance.now() + forMs;
  for (const count of instances) {
    const expected = expectedMb(cells, count);
    const isOver = cells.length > 1 && (performance.now() > untilMs || cells.at(-1)?.extrapolated);
    if (isOver || 1e6 * expected > roomBytes) {
      cells.push({ functions: models.length, instances: count, mb: rounded(expected, 1), extrapolated: true });
    } else cells.push(await cellOf(peer, models, count, settleMs));
  }
  return cells;
}

/** As many more MB as each further instance has taken; after one alone it is not known how much they share. */
function expectedMb(cells: readonly GridCell[], instances: number): number {
  const [before, last] = cells.slice(-2);
  if (before === undefined) return 0;
  if (last === undefined) return (before.mb * instances) / before.instances;
  return last.mb + ((last.mb - before.mb) / (last.instances - before.instances)) * (instances - last.instances);
}

async function cellOf(
  peer: Peer,
  models: readonly ServedModel[],
  instances: number,
  settleMs: number,
): Promise<GridCell> {
  const served = await peer.start({ models, instances, batch: 1, waitMs: 0, sloMs: 0 });
  try {
    let fewest = instances;
    for (const at of models.keys()) fewest = Math.min(fewest, await warmedUp(served, at, instances));
    await delay(settleMs);
    const mb = rounded(megabytes(await served.memoryBytes()), 1);
    return { functions: models.length, instances, mb, ...(fewest < instances ? { answered: fewest } : {}) };
  } finally {
    await served.stop();
  }
}

/**
 * Asks all instances of a function at once until each has answered. Not more at once than there are: OpenWhisk would
 * start another for it. @returns how many have
 */
async function warmedUp(served: Served, at: number, instances: number): Promise<number> {
  const seen = new Set<number>();
  for (let round = 0; round < ROUNDS_MAX && seen.size < instances; round += 1) {
    const calls = Array.from({ length: instances }, (_, call) => served.ask(at, { seed: call + 1, runs: REQUESTS }));
    for (const { pid } of await Promise.all(calls)) seen.add(pid);
  }
  return seen.size;
}
