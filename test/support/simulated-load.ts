/** One function under a load on a node of the simulator's, alone: what the scaler and the pool make of it. */
import { readConfig } from '@tetris/common';
import {
  FixedKeepAlive,
  type InstanceSettings,
  invokerConfig,
  type Scaler,
  type ScalerOptions,
  scalerOptions,
  type ScalingOrders,
} from '@tetris/invoker-extension';
import { Draws } from '../../bench/src/simulation/draws';
import { Events } from '../../bench/src/simulation/events';
import { functionOf, type Shape, type SimulatedFunction } from '../../bench/src/simulation/functions';
import { SimulatedNode } from '../../bench/src/simulation/node';
import { Planner } from '../../bench/src/simulation/planner';
import { Processors } from '../../bench/src/simulation/processors';
import { TensorStore } from '../../bench/src/simulation/tensor-store';

export interface LoadOptions {
  seed: number;
  /** Undefined: every instance takes one request at a time, and starts by demand alone. */
  scaler?: Scaler;
  sloMs: number;
  /** What an execution takes in this shape at this time, and what an instance of it holds. */
  truth: (shape: Shape, nowMs: number) => { latencyMs: number; privateBytes: number };
  /** Requests at once in an instance that starts by demand. @default 1 */
  concurrency?: number;
  budgetBytes?: number;
  /** Executions and starts share so many. @default as many as they are */
  cores?: number;
  /** What an instance's start takes once its container is there, ms of a core. */
  loadMs?: number;
  planMs?: number;
  onOrders?: (orders: ScalingOrders, nowMs: number) => void;
}

export interface Outcome {
  /** From arrival to answer, in the order of the answers. */
  latenciesMs: number[];
  /** Times of starts and of ends of instances. */
  startsMs: number[];
  endsMs: number[];
  refused: number;
  living: number;
  /** Bytes of instances x ms. */
  byteMs: number;
  usedBytesMax: number;
}

/** A scaler on a node with cores for everybody. */
export const SCALER_OPTIONS: ScalerOptions = {
  ...scalerOptions(readConfig(invokerConfig, {}, { scaleInPlans: 3, scaledGroupsMax: 3 })),
  cores: 1_000,
};

/** Time between two plans, unless the options say otherwise. */
export const PLAN_MS = 3_000;
const TICK_MS = 200;
/** More than any instance of the tests holds: one that held more would be killed. */
const LIMIT_BYTES = 320 * 1024 ** 2;
const POOL = {
  waitingMax: 1e6,
  waitMaxMs: 120_000,
  patienceMs: 5_000,
  barredMs: 5_000,
  startsMax: 100,
  groupStartsMax: 2,
  pauseGraceMs: 1e9,
};
const KEEP_ALIVE_MS = 20_000;

/** Requests at these times, then silence until `untilMs`. */
export async function underLoad(
  options: LoadOptions,
  arrivalsMs: readonly number[],
  untilMs: number,
): Promise<Outcome> {
  const { seed, scaler, sloMs, truth, budgetBytes = 8 * 1024 ** 3, cores = 1_000, loadMs = 500 } = options;
  const [latenciesMs, startsMs, endsMs]: [number[], number[], number[]] = [[], [], []];
  let [refused, byteMs, usedBytesMax] = [0, 0, 0];
  const events = new Events();
  const of: SimulatedFunction = {
    ...functionOf(0, [], 0, 0),
    limitBytes: LIMIT_BYTES,
    concurrency: options.concurrency ?? 1,
    executionMs: (shape, nowMs) => truth(shape, nowMs).latencyMs,
    holdsBytes: (shape) => truth(shape, events.nowMs).privateBytes,
    loadMs,
    ...(scaler !== undefined && { sloMs }),
  };
  const living: { settings: InstanceSettings; sinceMs: number }[] = [];
  const node = new SimulatedNode({
    instance: 0,
    pool: { ...POOL, budgetBytes },
    keepAlive: new FixedKeepAlive(KEEP_ALIVE_MS),
    world: { events, processors: new Processors(events, cores), draws: new Draws(seed), loadBytesPerMs: 1e6 },
    store: new TensorStore(() => undefined),
    known: new Map(),
    ...(scaler !== undefined && {
      planner: new Planner({ scaler, ...(options.onOrders && { onOrders: options.onOrders }) }),
    }),
    onLearned: () => undefined,
    onStarted: (settings) => {
      startsMs.push(events.nowMs);
      living.push({ settings, sinceMs: events.nowMs });
    },
    onEnded: (_of, settings) => {
      endsMs.push(events.nowMs);
      const [ended] = living.splice(
        living.findIndex((each) => each.settings === settings),
        1,
      );
      byteMs += (events.nowMs - (ended?.sinceMs ?? 0)) * truth(shapeOf(settings), events.nowMs).privateBytes;
    },
  });
  arrivalsMs.forEach((atMs, index) => {
    const ended = (how: 'answered' | 'refused'): void => {
      if (how === 'refused') refused += 1;
      else latenciesMs.push(events.nowMs - atMs);
    };
    events.at(atMs, () => node.take({ id: String(index), of, startedMs: atMs, ended }));
  });
  events.every(TICK_MS, () => {
    node.tick();
    usedBytesMax = Math.max(usedBytesMax, node.pool.memory.usedBytes);
  });
  events.every(options.planMs ?? PLAN_MS, () => node.plan());
  await events.run(untilMs);
  return { latenciesMs, startsMs, endsMs, refused, living: living.length, byteMs, usedBytesMax };
}

const shapeOf = ({ workers, threads, batch }: InstanceSettings): Shape => ({ workers, threads, batch });

/** Share of requests answered within the objective, the first `skip` answers left out. */
export function attained({ latenciesMs }: Outcome, sloMs: number, skip = 0): number {
  const counted = latenciesMs.slice(skip);
  return counted.filter((each) => each <= sloMs).length / counted.length;
}

/** Poisson arrivals; the rate, per second, may change with time. */
export function arrivals(rateAt: (nowMs: number) => number, untilMs: number, random: () => number): number[] {
  const times: number[] = [];
  for (let nowMs = 0; nowMs < untilMs;) {
    const rate = rateAt(nowMs);
    const gapMs = rate > 0 ? (-Math.log(1 - random()) * 1000) / rate : 100;
    nowMs += Math.min(gapMs, 1000);
    if (rate > 0 && gapMs <= 1000 && nowMs < untilMs) times.push(nowMs);
  }
  return times;
}
