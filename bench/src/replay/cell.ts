/** One application under one pattern of arrivals in one mode. */
import { setTimeout as delay } from 'node:timers/promises';
import { Cleanups } from '../demo/cleanups';
import { type ServedModel, workOn } from '../evaluation/served-model';
import { median, megabytes, relativeError, rounded, sum } from '../measure/statistics';
import type { Activation, PlatformClient } from '../platform/client';
import { type PlatformMemory, PlatformServer } from '../platform/server';
import { type Phase, poissonArrivals, ramp } from '../sharing/arrivals';
import { dueWithin, noneDue, type Service, serviceOf } from '../sharing/attainment';
import { openLoop } from '../sharing/open-loop';
import { type Mode, type ModeName, MODES } from './modes';

/** One of an application, and its load. */
export interface ReplayedFunction {
  model: ServedModel;
  sloMs: number;
  phases: readonly Phase[];
}

export interface ReplayTimes {
  /** Load up to its first rate that does not count: instances start, and the scaler learns, ms. */
  warmUpMs: number;
  sampleMs: number;
}

/** Figures of the time that counts. */
export interface CellFigures {
  /** Instances, store and daemon over time, MB; of stock without the daemon. */
  meanMb: number;
  peakMb: number;
  instancesMean: number;
  /** Least of the functions that had a request. */
  sloAttainment: number;
  errors: number;
  requests: number;
  /** Requests that waited for a start, and those that met an instance. */
  starts: { cold: number; warm: number };
  functions: Readonly<
    Record<string, Pick<Service, 'sloAttainment' | 'latencyMs'> & { sloMs: number; requests: number }>
  >;
}

const MEMORY = '12g';
const SEED = 20_221;
const SEEDS = 8;
const IN_FLIGHT_MAX = 2_000;
const RELATIVE_ERROR_MAX = 1e-3;
/** Instances leave so soon after their last request, as time is compressed. */
const KEEP_ALIVE_MS = '8000';
/**
 * What an instance needs at most: beside its model, and for its model while it loads. Those that share need it too: for
 * a moment onnxruntime packs a weight of its own, before it takes the one that is there.
 */
const BESIDE_MB = 192;
const COPIES = 3;

export async function measureCell(
  mode: ModeName,
  functions: readonly ReplayedFunction[],
  { warmUpMs, sampleMs }: ReplayTimes,
): Promise<CellFigures> {
  const cleanups = new Cleanups();
  try {
    const { client, memory } = await platformFor(MODES[mode], functions, cleanups);
    const references = await referencesOf(client, functions);
    const samples: { atMs: number; memory: PlatformMemory }[] = [];
    const startMs = performance.now();
    const over = new AbortController();
    cleanups.add(async () => over.abort());
    const sampling = sample(memory, sampleMs, over.signal, (each) => {
      samples.push({ atMs: performance.now() - startMs, memory: each });
    });
    const starts = { cold: 0, warm: 0 };
    const services = (await Promise.all(functions.map(loadOf))).flat();
    over.abort();
    await sampling;
    if (services.length === 0) throw noneDue();
    return {
      ...memoryOf(
        samples.filter(({ atMs }) => atMs >= warmUpMs).map((each) => each.memory),
        mode,
      ),
      sloAttainment: Math.min(...services.map(({ sloAttainment }) => sloAttainment)),
      errors: sum(services.map(({ errors }) => errors)),
      requests: sum(services.map(({ requests }) => requests)),
      starts,
      functions: Object.fromEntries(
        services.map(({ name, sloMs, requests, sloAttainment, latencyMs }) => [
          name,
          { sloMs, requests, sloAttainment, latencyMs },
        ]),
      ),
    };

    /** Nothing where no request of it was due in the time that counts: to a slow machine few come in a burst. */
    async function loadOf(
      { model, sloMs, phases }: ReplayedFunction,
      at: number,
    ): Promise<(Service & { name: string; sloMs: number })[]> {
      const durationMs = sum(phases.map((phase) => phase.durationMs));
      const outcomes = await openLoop({
        times: poissonArrivals([...ramp(warmUpMs, phases[0]?.rate ?? 0), ...phases], SEED + at),
        send: async (index) => {
          const seed = index % SEEDS;
          const activation = await client.invoke(model.name, { seed: seed + 1 });
          starts[hasInit(activation) ? 'cold' : 'warm'] += 1;
          const { success, result } = activation.response;
          return success && relativeError(result.logits ?? [], references[at]?.[seed] ?? []) <= RELATIVE_ERROR_MAX;
        },
        inFlightMax: IN_FLIGHT_MAX,
        graceMs: 2 * sloMs,
      });
      const window = { fromMs: warmUpMs, toMs: warmUpMs + durationMs };
      if (dueWithin(outcomes, window).length === 0) return [];
      return [{ name: model.name, sloMs, ...serviceOf(outcomes, window, sloMs) }];
    }
  } finally {
    await cleanups.run();
  }
}

async function platformFor(
  { kind, annotations, settings }: Mode,
  functions: readonly ReplayedFunction[],
  cleanups: Cleanups,
): Promise<{ client: PlatformClient; memory: () => Promise<PlatformMemory> }> {
  const modelRoots = [...new Set(functions.map(({ model }) => model.path.replace(/\/[^/]*$/, '')))];
  const platform = await PlatformServer.start(
    { modelRoots, memory: MEMORY, settings: { TETRIS_INVOKER_KEEP_ALIVE_MS: KEEP_ALIVE_MS, ...settings } },
    cleanups,
  );
  for (const { model, sloMs } of functions) {
    const memoryMb = Math.ceil(BESIDE_MB + COPIES * megabytes(model.bytes));
    const action = { kind, annotations: annotations(sloMs), parameters: workOn(model), memoryMb };
    await platform.client.createAction(model.name, action);
  }
  return { client: platform.client, memory: () => platform.memory() };
}

/** What single requests answer, by function and input. */
async function referencesOf(client: PlatformClient, functions: readonly ReplayedFunction[]): Promise<number[][][]> {
  const references: number[][][] = [];
  for (const { model } of functions) {
    const answers: number[][] = [];
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      answers.push((await client.invoke(model.name, { seed })).response.result.logits ?? []);
    }
    references.push(answers);
  }
  return references;
}

/** Median time of an activation in its instance with nothing else running, ms, by function. */
export async function singleDurations(models: readonly ServedModel[]): Promise<number[]> {
  const cleanups = new Cleanups();
  try {
    const functions = models.map((model) => ({ model, sloMs: 0, phases: [] }));
    const { client } = await platformFor({ ...MODES.tetris, annotations: () => ({}) }, functions, cleanups);
    const durations: number[] = [];
    for (const { name } of models) {
      const times: number[] = [];
      for (let call = 0; call < 7; call += 1) times.push((await client.invoke(name, { seed: call + 1 })).duration);
      durations.push(median(times.slice(2)));
    }
    return durations;
  } finally {
    await cleanups.run();
  }
}

const hasInit = ({ annotations = [] }: Activation): boolean => annotations.some(({ key }) => key === 'initTime');

async function sample(
  memory: () => Promise<PlatformMemory>,
  intervalMs: number,
  signal: AbortSignal,
  keep: (memory: PlatformMemory) => void,
): Promise<void> {
  while (!signal.aborted) {
    keep(await memory());
    await delay(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}

function memoryOf(
  samples: readonly PlatformMemory[],
  mode: ModeName,
): Pick<CellFigures, 'meanMb' | 'peakMb' | 'instancesMean'> {
  if (samples.length === 0) throw new RangeError('no memory was sampled in the time that counts');
  const totals = samples.map(({ instanceBytes, storeBytes, daemonBytes }) =>
    mode === 'stock' ? instanceBytes : instanceBytes + storeBytes + daemonBytes,
  );
  const mean = (values: readonly number[]): number => sum(values) / values.length;
  return {
    meanMb: rounded(megabytes(mean(totals)), 1),
    peakMb: rounded(megabytes(Math.max(...totals)), 1),
    instancesMean: rounded(mean(samples.map(({ instances }) => instances)), 1),
  };
}
