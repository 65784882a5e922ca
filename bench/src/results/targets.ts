import type { SuiteResult } from '../suite';

/** A figure of the evaluation beside the paper's. */
export interface Target {
  /** The suite that measures it. */
  suite: string;
  /** What a reader is told. */
  title: string;
  /** Where it is in the suite's result: keys with dots. */
  path: string;
  /** As the paper has it, or why it has none. */
  paper: string;
  /** Met by values up to `atMost`, or from `atLeast` on. */
  atMost?: number;
  atLeast?: number;
  /** Told where it is missed: why. */
  why?: string;
}

export const TARGETS: readonly Target[] = [
  { suite: 'memory', title: 'Memory saved, best model', path: 'savedMax', paper: '0.93', atLeast: 0.96 },
  {
    suite: 'memory',
    title: 'Memory saved, 30 instances of a mix',
    path: 'savedMix',
    paper: '-',
    atLeast: 0.88,
    why: 'the weights of six models, as they came and packed (decision 0092), are a fifth of what five plain instances of each take',
  },
  {
    suite: 'memory',
    title: 'Memory saved, mean over the models',
    path: 'savedMean',
    paper: '-',
    atLeast: 0.88,
    why: 'an instance takes some 20 MB beside its weights, whatever these are: models of 10 to 30 MB save little',
  },
  { suite: 'memory', title: 'Next VGG-16 (MB)', path: 'nextInstanceMb.vgg16', paper: '36.27 MiB', atMost: 24 },
  { suite: 'density', title: 'Instances under 8 GB, over plain', path: 'densityRatio', paper: '30', atLeast: 40 },
  { suite: 'density', title: 'Functions under 1.5 GB, over plain', path: 'functions.ratio', paper: '-' },
  {
    suite: 'latency',
    title: 'Median run time over plain, median of models and batches',
    path: 'medians.p50Ratio',
    paper: '1.0',
    atMost: 1.02,
  },
  {
    suite: 'latency',
    title: 'Median run time over plain, worst model',
    path: 'p50Ratio',
    paper: '1.0',
    atMost: 1.02,
    why: "of batches of 16 of which five and seven runs fit into a minute: BiT-L with 1.137, where of equal work a second plain process took 1.028 of the first one's time in the same run (in brackets in the table), and Inception-v3 with 1.103 (1.017). Of more than twenty runs the worst is TextCNN with 1.08 (1.031), of which one takes a quarter of a ms. What is ours: an instance that takes one activation at a time does without onnxruntime's arena (enableCpuMemArena gives it back)",
  },
  {
    suite: 'latency',
    title: 'p99 of run time over plain, median of models and batches',
    path: 'medians.p99Ratio',
    paper: '1.0',
    atMost: 1.05,
  },
  {
    suite: 'latency',
    title: 'p99 of run time over plain, worst model',
    path: 'p99Ratio',
    paper: '1.0',
    atMost: 1.05,
    why: 'likewise: up to 1.98 between plain processes, and 1.01 in the middle of all models and batches. What is ours: without the arena the allocator asks the system for memory now and then, in the first seconds most of all',
  },
  {
    suite: 'latency',
    title: 'Largest relative difference of an answer',
    path: 'maxRelativeError',
    paper: '-',
    atMost: 1e-5,
  },
  {
    suite: 'startup',
    title: 'Start-up saved, best model',
    path: 'startupCut',
    paper: '0.9156',
    atLeast: 0.92,
  },
  { suite: 'startup', title: 'Load saved, best model', path: 'loadCut', paper: '-', atLeast: 0.96 },
  {
    suite: 'replay',
    title: 'Mean memory saved over plain, four applications',
    path: 'meanMemoryCut',
    paper: '> 0.86, over its peers',
    atLeast: 0.92,
    why: 'a mean of ratios, in which twelve loads count alike: under periodic and bursty arrivals two cores keep one or two plain instances of a function busy, and the daemon and weights that are there packed and as they came weigh more than these. The images in bursts, 3 requests in all, have -1.73; without them the mean is 0.33. On a machine that is 2.6 times as fast, and so was offered twice the requests, an earlier build saved 0.415 in the mean and 0.675 under all loads together',
  },
  {
    suite: 'replay',
    title: 'The same under all twelve loads together',
    path: 'togetherMemoryCut.stock',
    paper: '-',
  },
  {
    suite: 'replay',
    title: 'Memory saved over batching alone, as INFless, under all loads together',
    path: 'togetherMemoryCut.batching',
    paper: '-',
  },
  {
    suite: 'replay',
    title: 'Memory saved over threads alone, as Photons, under all loads together',
    path: 'togetherMemoryCut.threads',
    paper: '-',
  },
  {
    suite: 'replay',
    title: 'Requests in time, worst function',
    path: 'sloAttainment',
    paper: '-',
    atLeast: 0.99,
    why: 'what comes while an instance starts is late; on the faster machine 0.907',
  },
  {
    suite: 'peers',
    title: 'Memory of 16 functions x 2 instances over the best peer',
    path: 'memoryRatio',
    paper: '-',
    atMost: 0.35,
  },
  {
    suite: 'peers',
    title: 'The same over one master that forks for all functions, which keeps none apart',
    path: 'togetherMemoryRatio',
    paper: '-',
    atMost: 0.35,
    why: 'the platform, its daemon and three stem cells take 180 MB, which a server that forks has not',
  },
  { suite: 'peers', title: 'Rate in time over the best peer within 1.5 GB', path: 'rateRatio', paper: '-', atLeast: 1 },
  {
    suite: 'scaling',
    title: 'Plan over optimum, 1,000 random tables, mean',
    path: 'drawn.ours.mean',
    paper: '-',
    atMost: 1.02,
  },
  {
    suite: 'scaling',
    title: 'Plan over optimum, 1,000 random tables, worst',
    path: 'drawn.ours.worst',
    paper: '-',
    atMost: 1.25,
  },
  {
    suite: 'scaling',
    title: 'The same in its own tables, mean',
    path: 'tables.ours.mean',
    paper: 'its rule: 1.028',
    atMost: 1.005,
  },
  {
    suite: 'scaling',
    title: 'The same in its own tables, worst',
    path: 'tables.ours.worst',
    paper: 'its rule: 1.11',
    atMost: 1.1,
  },
];

/** The suites of the evaluation. */
export const EVALUATION: readonly string[] = [...new Set(TARGETS.map(({ suite }) => suite))];

/** A target with what was measured. */
export interface Outcome extends Target {
  /** Undefined where its suite has not run, or did not measure it. */
  value: number | undefined;
  /** Undefined where there is no target or no value. */
  met: boolean | undefined;
}

/** @param results by suite */
export function outcomes(results: Readonly<Record<string, SuiteResult>>): Outcome[] {
  return TARGETS.map((target) => {
    const value = valueAt(results[target.suite], target.path);
    return { ...target, value, met: value === undefined ? undefined : isMet(target, value) };
  });
}

function isMet({ atMost, atLeast }: Target, value: number): boolean | undefined {
  if (atMost === undefined && atLeast === undefined) return undefined;
  return value <= (atMost ?? Infinity) && value >= (atLeast ?? -Infinity);
}

function valueAt(result: SuiteResult | undefined, path: string): number | undefined {
  const found = path
    .split('.')
    .reduce<unknown>(
      (at, key) => (typeof at === 'object' && at !== null ? (at as SuiteResult)[key] : undefined),
      result,
    );
  return typeof found === 'number' ? found : undefined;
}
