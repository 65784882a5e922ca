/**
 * The cluster in simulated time: the plugin's own placement, dispatch, pools, ledgers and scalers, on nodes that nobody
 * has. One seed, one course of events; another one with `--seed`.
 */
import { createProgress, type Progress } from '../demo/progress';
import { median, percentileOf, rounded } from '../measure/statistics';
import type { Suite, SuiteOptions, SuiteResult } from '../suite';
import { memoryOf, type NeighbourOutcome, noisyNeighbour, refusalsOf, type Size } from './scenarios';

const FULL: Size = { nodes: 1_000, functions: 10_000 };
const QUICK: Size = { nodes: 20, functions: 200 };
/** Clusters in which the two placements are compared are so much smaller than the one cluster. */
const SMALLER = 20;
const SEEDS = 20;
/** Time in which the noisy neighbour asks for a hundred times its share. */
const NOISE_MS = 30_000;
const QUICK_NOISE_MS = 3_000;
const GIB = 1024 ** 3;

export async function runSimulation(options: SuiteOptions, output = process.stderr): Promise<SuiteResult> {
  const { quick = false, nodes, functions, seed = 1 } = options;
  const size = quick ? QUICK : FULL;
  const whole: Size = { nodes: nodes ?? size.nodes, functions: Number(functions ?? size.functions) };
  const seeds = options.seeds ?? (quick ? 3 : SEEDS);
  const progress = createProgress(3 + 2 * seeds, output);
  const figures = {
    ...(await refusals(whole, seed, progress)),
    ...(await memory(whole, seed, progress)),
    ...(await comparison(whole, seed, seeds, progress)),
    ...(await neighbour(seed, seeds, quick ? QUICK_NOISE_MS : NOISE_MS, progress)),
    ...whole,
    seed,
  };
  progress.stop();
  return figures;
}

async function refusals(size: Size, seed: number, progress: Progress): Promise<SuiteResult> {
  progress.step(`${size.nodes} nodes with too little memory, ${size.functions} functions`);
  const { requests, starts, refused, refusedWithRoom, unanswered } = await refusalsOf(size, seed);
  return { refusedWithRoom, refused, unanswered, requests, starts };
}

async function memory(size: Size, seed: number, progress: Progress): Promise<SuiteResult> {
  progress.step('memory by similarity');
  const similar = await memoryOf(size, seed, 'similarity');
  progress.step('memory by hash');
  const hashed = await memoryOf(size, seed, 'hash');
  return {
    memoryVsHash: rounded(similar.usedBytes / hashed.usedBytes),
    similarityGib: rounded(similar.usedBytes / GIB, 1),
    hashGib: rounded(hashed.usedBytes / GIB, 1),
    decisionMedianUs: rounded(median(similar.decisionsUs)),
    decisionP99Us: rounded(percentileOf(similar.decisionsUs, 0.99)),
    startDecisionMedianUs: rounded(median(similar.startDecisionsUs)),
  };
}

/** In how many of the clusters, each with a seed of its own, hash needs less. */
async function comparison(whole: Size, seed: number, seeds: number, progress: Progress): Promise<SuiteResult> {
  const nodes = Math.max(10, Math.round(whole.nodes / SMALLER));
  const size: Size = { nodes, functions: Math.max(100, Math.round(whole.functions / SMALLER)) };
  const ratios: number[] = [];
  for (let count = 1; count <= seeds; count += 1) {
    progress.step(`${size.nodes} nodes by either, ${count} of ${seeds}`);
    const [similar, hashed] = [
      await memoryOf(size, seed + count, 'similarity'),
      await memoryOf(size, seed + count, 'hash'),
    ];
    ratios.push(similar.usedBytes / hashed.usedBytes);
  }
  const beatenByHash = ratios.filter((ratio) => ratio > 1).length;
  return { beatenByHash, seeds, memoryVsHashWorst: rounded(Math.max(...ratios)) };
}

/** Medians over clusters with a seed each: the worst hundredth of what the quiet functions get in one is a few answers. */
async function neighbour(seed: number, seeds: number, noiseMs: number, progress: Progress): Promise<SuiteResult> {
  const outcomes: NeighbourOutcome[] = [];
  for (let count = 0; count < seeds; count += 1) {
    progress.step(`a noisy neighbour, ${count + 1} of ${seeds}`);
    outcomes.push(await noisyNeighbour(seed + count, noiseMs));
  }
  return {
    noisyNeighbourP99: rounded(median(outcomes.map(({ aloneMs, besideMs }) => besideMs / aloneMs))),
    noisyNeighbourP99Worst: rounded(Math.max(...outcomes.map(({ aloneMs, besideMs }) => besideMs / aloneMs))),
    quietP99AloneMs: rounded(median(outcomes.map(({ aloneMs }) => aloneMs)), 1),
    quietP99BesideMs: rounded(median(outcomes.map(({ besideMs }) => besideMs)), 1),
  };
}

export const suite: Suite = { run: async (options) => runSimulation(options) };
