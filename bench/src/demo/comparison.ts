import type { DaemonOperator } from '@tetris/common';
import { folderBytes } from '../measure/folder-bytes';
import { TRIMMED_MS } from '../measure/process-memory';
import { relativeError, sum } from '../measure/statistics';
import type { ActionReport } from './cloud';
import type { Progress } from './progress';
import type { DemoFunction, DemoSettings } from './settings';
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

/** The two sides, and the stores of the shared one with their operators. */
export interface Sites {
  shared: Site;
  stock: Site;
  storePath: string;
  operators: readonly DaemonOperator[];
}

/** Everything measured, in the order in which it was. */
export interface Comparison {
  steps: GrowthStep[];
  latencies: LatencyComparison[];
  /** With all instances alive. */
  store: StoreFigures;
}

/** Bytes of all stores, each tensor once, and as if every instance had its own. */
export interface StoreFigures {
  uniqueBytes: number;
  unsharedBytes: number;
}

/** Batch sizes at which run time is compared. */
const BATCHES = [1, 4] as const;

/** Runs that warm caches and memory arenas before runs count. */
const WARM_UP_RUNS = 2;

/** How many times {@link compareSites} reports progress. */
export function comparisonSteps({ functions }: DemoSettings): number {
  return sum(functions.map((wanted) => wanted.instances)) + BATCHES.length * representatives(functions).length;
}

/** Lets both sides grow instance by instance, then compares how fast they answer. */
export async function compareSites(sites: Sites, settings: DemoSettings, progress: Progress): Promise<Comparison> {
  const steps = await growAll(sites, settings.functions, progress);
  const store = await storeFigures(sites.operators);
  await Promise.all([sites.shared.release(), sites.stock.release()]);
  const latencies = await compareLatencies(sites, settings, progress);
  return { steps, latencies, store };
}

async function growAll(sites: Sites, functions: readonly DemoFunction[], progress: Progress): Promise<GrowthStep[]> {
  const steps: GrowthStep[] = [];
  for (const wanted of functions) {
    for (let index = 1; index <= wanted.instances; index += 1) {
      progress.step(`${wanted.name}: instance ${index} of ${wanted.instances}, with sharing and plain`);
      steps.push(await grow(sites, wanted, index));
    }
  }
  return steps;
}

async function compareLatencies(
  sites: Sites,
  { functions, runs }: DemoSettings,
  progress: Progress,
): Promise<LatencyComparison[]> {
  const latencies: LatencyComparison[] = [];
  for (const wanted of representatives(functions)) {
    for (const batch of BATCHES) {
      progress.step(`${wanted.name}: run time at batch ${batch}, with sharing and plain`);
      latencies.push(await compareLatency(sites, wanted, batch, batch === 1 ? runs.batch1 : runs.batch4));
    }
  }
  return latencies;
}

/** One function of each family: the others would repeat its figures. */
function representatives(functions: readonly DemoFunction[]): DemoFunction[] {
  return functions.filter((wanted, at) => functions.findIndex((other) => other.family === wanted.family) === at);
}

async function storeFigures(operators: readonly DaemonOperator[]): Promise<StoreFigures> {
  const totals = await Promise.all(operators.map((operator) => operator.totals()));
  return {
    uniqueBytes: sum(totals.map((total) => total.uniqueBytes)),
    unsharedBytes: sum(totals.map((total) => total.unsharedBytes)),
  };
}

/** Starts one more instance of a function on either side, one after the other, and measures. */
async function grow(sites: Sites, wanted: DemoFunction, index: number): Promise<GrowthStep> {
  const work = { seed: index };
  const shared = await sites.shared.addInstance(wanted, work);
  const stock = await sites.stock.addInstance(wanted, work);
  await new Promise((resolve) => setTimeout(resolve, TRIMMED_MS));
  return {
    function: wanted,
    index,
    shared,
    stock,
    sharedBytes: await sites.shared.memoryBytes(),
    stockBytes: await sites.stock.memoryBytes(),
    storeBytes: await folderBytes(sites.storePath),
    relativeError: relativeError(shared.logits, stock.logits),
  };
}

/** Runs a batch alternately on either side, so that both see the same machine. */
async function compareLatency(
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
