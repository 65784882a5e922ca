import { availableParallelism } from 'node:os';
import { Cleanups } from '../demo/cleanups';
import type { MachineSpeed } from '../measure/machine-speed';
import { median, rounded } from '../measure/statistics';
import { type Configuration, configurationOf, SATURATED } from './configurations';
import { LoadedPlatform } from './loaded-platform';
import { LOAD_RULE, type LoadedFunction, type SharingSettings } from './settings';
import { onSteadyMachine } from './steady-machine';

/** The load of a function, and what it was derived from. */
export interface Calibration {
  /** Median time of one activation in its instance, nothing else running, ms. */
  singleMs: number;
  /** Activations per second that one instance answers one after the other. */
  instancePerSecond: number;
  /** Activations per second with one such instance a core, all busy: the most that one request an instance achieves. */
  singlePerSecond: number;
  /** Activations per second with a worker a core that joins requests, all busy. */
  sharedPerSecond: number;
  /** Offered load, activations per second. */
  rate: number;
  /** It over {@link singlePerSecond}. */
  overload: number;
  sloMs: number;
  /** Speed of the machine meanwhile, see {@link MachineSpeed}; of the faster half. */
  productsPerSecond: number;
  /** What single runs answer. */
  references: number[][];
}

const CALLS = 15;
const cores = availableParallelism();

/** Callers that keep an instance of {@link SATURATED} busy. */
export const SATURATING_CALLERS = 16 * cores;

export interface Site {
  loaded: LoadedFunction;
  modelRoot: string;
  storePath: string;
  /** Measured all the while. */
  speed: MachineSpeed;
}

/**
 * Measures what the machine can do, one request an instance and with requests joined, and chooses load and objective by
 * it.
 */
export async function calibrate(site: Site, { calibrationMs, triesMax }: SharingSettings): Promise<Calibration> {
  const { alone, shared } = await onSteadyMachine(triesMax, async () => {
    const alone = await calibrateAlone(site, calibrationMs);
    const shared = await calibrateShared(site, calibrationMs);
    const [slow = NaN, fast = NaN] = [alone.speed, shared.speed].sort((one, other) => one - other);
    return { alone, shared, machineSpeed: slow / fast };
  });
  const { references, singleMs, instancePerSecond, perSecond: singlePerSecond } = alone;
  const rate = offeredRate(singlePerSecond, shared.perSecond);
  return {
    singleMs: rounded(singleMs, 1),
    instancePerSecond: rounded(instancePerSecond, 1),
    singlePerSecond: rounded(singlePerSecond, 1),
    sharedPerSecond: rounded(shared.perSecond, 1),
    rate: rounded(rate, 1),
    overload: rounded(rate / singlePerSecond),
    sloMs: objectiveOf(singleMs),
    productsPerSecond: rounded(Math.max(alone.speed, shared.speed), 1),
    references,
  };
}

/** Answers per second, and the speed of the machine meanwhile. */
interface Rate {
  perSecond: number;
  speed: number;
}

type Alone = Rate & Pick<Calibration, 'references' | 'singleMs' | 'instancePerSecond'>;

/** One request an instance. */
async function calibrateAlone(site: Site, forMs: number): Promise<Alone> {
  return onPlatform(site, configurationOf('single'), async (platform) => {
    const references = await platform.references();
    return {
      references,
      singleMs: await singleDuration(platform),
      instancePerSecond: await platform.callers.closedLoop(1, forMs),
      ...(await saturated(site, platform, cores, forMs)),
    };
  });
}

/** With requests joined. */
function calibrateShared(site: Site, forMs: number): Promise<Rate> {
  return onPlatform(site, SATURATED, (platform) => saturated(site, platform, SATURATING_CALLERS, forMs));
}

/** The first loop starts the instances, which none of its answers may pay for. */
async function saturated({ speed }: Site, platform: LoadedPlatform, callers: number, forMs: number): Promise<Rate> {
  await platform.callers.closedLoop(callers, forMs);
  const counted = await speed.during(() => platform.callers.closedLoop(callers, forMs));
  return { perSecond: counted.result, speed: counted.speed };
}

/** {@link LOAD_RULE}; rates per second. */
export function offeredRate(singlePerSecond: number, sharedPerSecond: number): number {
  const { overload, share, shareMax } = LOAD_RULE;
  return Math.min(shareMax * sharedPerSecond, Math.max(overload * singlePerSecond, share * sharedPerSecond));
}

/** {@link LOAD_RULE}; ms. */
export const objectiveOf = (singleMs: number): number =>
  Math.max(LOAD_RULE.sloMsMin, Math.ceil(LOAD_RULE.sloTimes * singleMs));

/** Median time of one activation in its instance, nothing else running, ms. */
export async function singleDuration(platform: LoadedPlatform): Promise<number> {
  const times: number[] = [];
  for (let call = 0; call < CALLS; call += 1) times.push(await platform.durationMs(call));
  return median(times);
}

async function onPlatform<T>(
  site: Site,
  { annotations, settings }: Pick<Configuration, 'annotations' | 'settings'>,
  measure: (platform: LoadedPlatform) => Promise<T>,
): Promise<T> {
  const cleanups = new Cleanups();
  try {
    const platform = await LoadedPlatform.start({ ...site, annotations: annotations(0), settings, cleanups });
    return await measure(platform);
  } finally {
    await cleanups.run();
  }
}
