/** What the simulator is asked: each scenario is a cluster, what comes to it, and what is counted. */
import { readConfig } from '@tetris/common';
import { invokerConfig, Scaler, scalerOptions } from '@tetris/invoker-extension';
import { percentileOf } from '../measure/statistics';
import { type ClusterOptions, SimulatedCluster } from './cluster';
import { Draws } from './draws';
import { drawFunctions, functionOf, popularity, type SimulatedFunction } from './functions';
import { Planner } from './planner';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const FUNCTIONS_PER_BACKBONE = 100;

export interface Size {
  nodes: number;
  functions: number;
}

export interface Load {
  /** Requests a second of the whole cluster. */
  perSecond: number;
  /** Bursts a minute: one function gets as many requests in two seconds as it is drawn. */
  burstsPerMinute: number;
  burstMax: number;
  durationMs: number;
}

/** What holds where a scenario says nothing else. */
const DEFAULTS = {
  placement: 'similarity' as const,
  nodeBytes: 16 * GIB,
  cores: 16,
  balancers: 2,
  keepAliveMs: 600_000,
  knownShare: 0.95,
  lateShare: 0.05,
  lyingShare: 0.01,
  neighbours: 0.1,
};

/** More than the longest wait for an instance. */
const FINISH_MS_MAX = 130_000;

/** Requests come as they are drawn; then the cluster finishes. */
export async function play(
  cluster: SimulatedCluster,
  functions: readonly SimulatedFunction[],
  load: Load,
  draws: Draws,
): Promise<void> {
  const pick = draws.picker(popularity(functions));
  const of = (): SimulatedFunction => functions[pick()] as SimulatedFunction;
  const arrive = (): void => {
    const { nowMs } = cluster.events;
    if (nowMs >= load.durationMs) return;
    cluster.request(of(), nowMs);
    cluster.events.after(draws.exponential(1_000 / load.perSecond), arrive);
  };
  const burst = (): void => {
    const { nowMs } = cluster.events;
    if (nowMs >= load.durationMs) return;
    const victim = of();
    const count = Math.round(draws.pareto(2, 1, load.burstMax));
    for (let each = 0; each < count; each += 1) cluster.request(victim, nowMs + draws.between(0, 2_000));
    cluster.events.after(draws.exponential(60_000 / load.burstsPerMinute), burst);
  };
  cluster.events.at(10, arrive);
  if (load.burstsPerMinute > 0) cluster.events.at(1_000, burst);
  await cluster.run(load.durationMs);
  const lastMs = load.durationMs + FINISH_MS_MAX;
  while (cluster.open > 0 && cluster.events.nowMs < lastMs) await cluster.run(cluster.events.nowMs + 1_000);
}

/** A cluster of functions whose models share backbones, a hundred functions to a backbone. */
export function clusterOf(
  { nodes, functions }: Size,
  seed: number,
  overrides: Partial<ClusterOptions> = {},
): { cluster: SimulatedCluster; functions: SimulatedFunction[]; draws: Draws } {
  const draws = new Draws(seed);
  const backbones = Math.max(2, Math.round(functions / FUNCTIONS_PER_BACKBONE));
  const drawn = drawFunctions({ functions, tensorsPerFunction: 200, backbones, privateBytes: 30 * MIB }, draws);
  const options = { ...DEFAULTS, seed, nodes, functions: drawn, ...overrides };
  return { cluster: new SimulatedCluster(options), functions: drawn, draws };
}

export interface MemoryOutcome {
  /** Most that the cluster had in use, tensors once per node. */
  usedBytes: number;
  decisionsUs: number[];
  /** Of these, where an instance was to be started. */
  startDecisionsUs: number[];
}

/** Memory enough for all: what the cluster needs with one placement or the other, under the same load. */
export async function memoryOf(size: Size, seed: number, placement: 'similarity' | 'hash'): Promise<MemoryOutcome> {
  const { cluster, functions, draws } = clusterOf(size, seed, { placement });
  await play(cluster, functions, { ...loadOf(size), burstsPerMinute: size.functions / 100 }, draws);
  if (cluster.open > 0) throw new Error(`${cluster.open} requests were neither answered nor refused`);
  return {
    usedBytes: Math.max(...cluster.usedBytes),
    decisionsUs: cluster.decisionsUs,
    startDecisionsUs: cluster.startDecisionsUs,
  };
}

export interface RefusalOutcome {
  requests: number;
  starts: number;
  refused: number;
  /** Refused although some node had the bytes for one more instance of the function. */
  refusedWithRoom: number;
  /** Of whom there is nothing to be heard: has to be 0. */
  unanswered: number;
}

/** Memory for less than what is asked for, bursts of hundreds, late and lying statuses, neighbours on the processors. */
export async function refusalsOf(size: Size, seed: number): Promise<RefusalOutcome> {
  const { cluster, functions, draws } = clusterOf(size, seed, { nodeBytes: 1.2 * GIB, neighbours: 0.3 });
  await play(cluster, functions, { ...loadOf(size), burstsPerMinute: size.functions / 10 }, draws);
  return {
    requests: cluster.sent,
    starts: cluster.starts,
    refused: cluster.refusals.length,
    refusedWithRoom: cluster.refusals.filter(({ withRoom }) => withRoom).length,
    unanswered: cluster.open,
  };
}

/** A fifth of a request a second for each function, of which most get next to none and a few get dozens. */
const loadOf = ({ functions }: Size): Omit<Load, 'burstsPerMinute'> => ({
  perSecond: functions / 5,
  burstMax: 400,
  durationMs: 60_000,
});

export interface NeighbourOutcome {
  /** p99 of the quiet functions' answers, alone and beside the noisy one, ms. */
  aloneMs: number;
  besideMs: number;
}

/**
 * Twenty quiet functions with an objective on two nodes, each at a tenth of its share of what the nodes can do, and one
 * at a hundred times its share.
 */
export async function noisyNeighbour(seed: number, noiseMs: number): Promise<NeighbourOutcome> {
  const aloneMs = await quietTail(seed, false, noiseMs);
  return { aloneMs, besideMs: await quietTail(seed, true, noiseMs) };
}

const QUIET_FUNCTIONS = 20;
const NODES = 2;
const EXECUTION_MS = 40;
/** What each of the 21 could ask for if all asked for the same: single requests, all processors at work. */
const SHARE_PER_SECOND = (NODES * DEFAULTS.cores * 1_000) / EXECUTION_MS / (QUIET_FUNCTIONS + 1);
const WARM_UP_MS = 20_000;

async function quietTail(seed: number, noise: boolean, noiseMs: number): Promise<number> {
  const draws = new Draws(seed);
  const functions = Array.from({ length: QUIET_FUNCTIONS + 1 }, (_, index) => ({
    ...functionOf(index, [{ sha256: String(index).padStart(64, '0'), bytes: 100e6 }], 30 * MIB, EXECUTION_MS),
    concurrency: 4,
    sloMs: 500,
  }));
  const planner = (): Planner =>
    new Planner({ scaler: new Scaler(scalerOptions(readConfig(invokerConfig, {}, { scaleCores: DEFAULTS.cores }))) });
  const quiet = { neighbours: 0, lateShare: 0, lyingShare: 0, knownShare: 1 };
  const cluster = new SimulatedCluster({ ...DEFAULTS, ...quiet, seed, nodes: NODES, functions, planner });
  const untilMs = WARM_UP_MS + noiseMs;
  functions.forEach((of, index) => {
    const isNoisy = index === QUIET_FUNCTIONS;
    if (isNoisy && !noise) return;
    const perSecond = SHARE_PER_SECOND * (isNoisy ? 100 : 0.1);
    const arrive = (): void => {
      const { nowMs } = cluster.events;
      if (nowMs >= untilMs) return;
      cluster.request(of, nowMs);
      cluster.events.after(draws.exponential(1_000 / perSecond), arrive);
    };
    cluster.events.at(isNoisy ? WARM_UP_MS : 10, arrive);
  });
  await cluster.run(untilMs);
  const noisy = functions[QUIET_FUNCTIONS];
  const took = cluster.answers
    .filter(({ of, atMs, tookMs }) => of !== noisy && atMs - tookMs >= WARM_UP_MS)
    .map(({ tookMs }) => tookMs);
  return percentileOf(took, 0.99);
}
