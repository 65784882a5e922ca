import { Cleanups } from '../demo/cleanups';
import { megabytes, rounded, sum } from '../measure/statistics';
import { type Phase, poissonArrivals, ramp } from './arrivals';
import { type Service, serviceOf } from './attainment';
import type { Calibration, Site } from './calibration';
import type { Configuration } from './configurations';
import { LoadedPlatform } from './loaded-platform';
import { type MemorySample, MemorySampler } from './memory-sampler';
import type { SharingSettings } from './settings';
import { onSteadyMachine, type OnMachine } from './steady-machine';

/** Instances and store over the time that counts. */
export interface MemoryFigures {
  meanMb: number;
  peakMb: number;
  /** Of these, the instances' own. */
  instanceMeanMb: number;
  storeMb: number;
  instancesMean: number;
  instancesPeak: number;
}

/** Its `machineSpeed` is compared with the calibration's; `tries` until it was fast enough. */
export type ConfigurationFigures = Service & MemoryFigures & OnMachine & { tries: number };

const IN_FLIGHT_MAX = 1_000;
const SEED = 20_221;

/**
 * One configuration under the function's load: the same arrivals in all of them. @param phases of the time that counts
 */
export function measureConfiguration(
  site: Site,
  configuration: Configuration,
  calibration: Calibration,
  phases: readonly Phase[],
  settings: SharingSettings,
): Promise<ConfigurationFigures> {
  return onSteadyMachine(settings.triesMax, () => measureOnce(site, configuration, calibration, phases, settings));
}

async function measureOnce(
  site: Site,
  configuration: Configuration,
  { rate, sloMs, productsPerSecond, references }: Calibration,
  phases: readonly Phase[],
  { warmUpMs: shortest, learningMs, sampleMs }: SharingSettings,
): Promise<Omit<ConfigurationFigures, 'tries'>> {
  const cleanups = new Cleanups();
  try {
    const { settings, annotations, learns } = configuration;
    const warmUpMs = learns ? learningMs : shortest;
    const loaded = await LoadedPlatform.start({ ...site, annotations: annotations(sloMs), settings, cleanups });
    const [node] = loaded.platform.nodes;
    if (node === undefined) throw new Error('the platform has no node');
    const times = poissonArrivals([...ramp(warmUpMs, phases[0]?.rate ?? rate), ...phases], SEED);
    const endMs = warmUpMs + sum(phases.map(({ durationMs }) => durationMs));
    // The load meets a function in use, not a node that has never seen it.
    await loaded.durationMs(0);
    const sampler = new MemorySampler(node, site.loaded.definition.name, sampleMs);
    const startMs = performance.now();
    const { outcomes } = await loaded.callers.openLoop({
      times,
      references,
      inFlightMax: IN_FLIGHT_MAX,
      graceMs: 2 * sloMs,
    });
    const samples = await sampler.stop();
    const counted = samples.filter(({ atMs }) => atMs >= startMs + warmUpMs);
    return {
      ...serviceOf(outcomes, { fromMs: warmUpMs, toMs: endMs }, sloMs),
      ...memoryOf(counted),
      machineSpeed: rounded(site.speed.between(startMs + warmUpMs, startMs + endMs) / productsPerSecond),
    };
  } finally {
    await cleanups.run();
  }
}

/** @throws RangeError where nothing was sampled */
export function memoryOf(samples: readonly MemorySample[]): MemoryFigures {
  if (samples.length === 0) throw new RangeError('no memory was sampled in the time that counts');
  const totals = samples.map(({ instanceBytes, storeBytes }) => instanceBytes + storeBytes);
  const mean = (values: readonly number[]): number => sum(values) / values.length;
  const mb = (bytes: number): number => rounded(megabytes(bytes), 1);
  return {
    meanMb: mb(mean(totals)),
    peakMb: mb(Math.max(...totals)),
    instanceMeanMb: mb(mean(samples.map(({ instanceBytes }) => instanceBytes))),
    storeMb: mb(Math.max(...samples.map(({ storeBytes }) => storeBytes))),
    instancesMean: rounded(mean(samples.map(({ instances }) => instances)), 1),
    instancesPeak: Math.max(...samples.map(({ instances }) => instances)),
  };
}
