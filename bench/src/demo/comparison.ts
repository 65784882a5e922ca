import { folderBytes } from '../measure/folder-bytes';
import { relativeError } from '../measure/statistics';
import type { ActionReport } from './cloud';
import type { DemoFunction } from './settings';
import type { Site } from './site';

/** One more instance on either side. */
export interface GrowthStep {
  function: DemoFunction;
  /** Counts from 1 within its function. The platform's first one prepares the model for sharing. */
  index: number;
  shared: ActionReport;
  stock: ActionReport;
  /** After this step, everything idle. */
  sharedBytes: number;
  stockBytes: number;
  storeBytes: number;
  relativeError: number;
}

/** The same work done alternately on either side. */
export interface LatencyComparison {
  function: DemoFunction;
  batch: number;
  sharedMs: number[];
  stockMs: number[];
  relativeError: number;
}

export interface Sites {
  shared: Site;
  stock: Site;
  storePaths: readonly string[];
}

/** Time for garbage collectors and allocators to come to rest before memory is read. */
const SETTLE_MS = 500;

/** Runs that warm caches and memory arenas before runs count. */
const WARM_UP_RUNS = 2;

/** Starts one more instance of a function on either side, one after the other, and measures. */
export async function grow(sites: Sites, wanted: DemoFunction, index: number): Promise<GrowthStep> {
  const work = { seed: index };
  const shared = await sites.shared.addInstance(wanted, work);
  const stock = await sites.stock.addInstance(wanted, work);
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const stores = await Promise.all(sites.storePaths.map(folderBytes));
  return {
    function: wanted,
    index,
    shared,
    stock,
    sharedBytes: await sites.shared.memoryBytes(),
    stockBytes: await sites.stock.memoryBytes(),
    storeBytes: stores.reduce((total, bytes) => total + bytes, 0),
    relativeError: relativeError(shared.logits, stock.logits),
  };
}

/** Runs a batch alternately on either side, so that both see the same machine. */
export async function compareLatency(
  { shared, stock }: Sites,
  wanted: DemoFunction,
  batch: number,
  runs: number,
): Promise<LatencyComparison> {
  const comparison: LatencyComparison = { function: wanted, batch, sharedMs: [], stockMs: [], relativeError: 0 };
  for (const site of [shared, stock]) await site.invoke(wanted, { seed: 1, batch, runs: WARM_UP_RUNS });
  for (let run = 0; run < runs; run += 1) {
    const work = { seed: run + 1, batch };
    const ours = await shared.invoke(wanted, work);
    const theirs = await stock.invoke(wanted, work);
    comparison.sharedMs.push(...ours.runMs);
    comparison.stockMs.push(...theirs.runMs);
    comparison.relativeError = Math.max(comparison.relativeError, relativeError(ours.logits, theirs.logits));
  }
  return comparison;
}
