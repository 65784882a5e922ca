import { fullSettings, type LoadedFunction, quickSettings } from '../sharing/settings';
import type { PointChoice } from '../suite';

/** Offered load over capacity; `recovery` is a quiet load with a burst in it. */
export type OpenLoad = number | 'recovery';

/** Or `closed`: closed loops, which tell how many answers there can be within the objective. */
export type Load = OpenLoad | 'closed';

const LOADS: readonly Load[] = [0.5, 0.85, 1, 1.5, 2, 3, 'recovery', 'closed'];

/** From this load on goodput counts, below it attainment. */
export const OVERLOAD = 1;

/** A burst of three times capacity in a quiet load. */
export interface BurstSettings {
  /** Quiet load over capacity, before and after. */
  load: number;
  burst: number;
  beforeMs: number;
  burstMs: number;
  afterMs: number;
  /** Attainment is back when it is over so long a time. */
  windowMs: number;
}

const BURST: BurstSettings = { load: 0.5, burst: 3, beforeMs: 3_000, burstMs: 5_000, afterMs: 15_000, windowMs: 5_000 };

export interface OverloadSettings {
  functions: readonly LoadedFunction[];
  loads: readonly Load[];
  neighbours: readonly boolean[];
  /** Load that counts at each point, ms. */
  measuredMs: number;
  burst: BurstSettings;
  /** Each closed loop, ms. */
  calibrationMs: number;
  /** Load before that which counts: at the first point of a platform, which learns there, and at others, ms. */
  learningMs: number;
  warmUpMs: number;
}

/** @throws RangeError that names what is not known, and what there is */
export function overloadSettings(quick: boolean, choice: PointChoice): OverloadSettings {
  const { functions } = quick ? quickSettings() : fullSettings();
  const names = functions.map(({ definition }) => definition.name);
  const chosen = chosenOf('function', choice.functions, names);
  const loads = chosenOf('load', choice.loads, LOADS.map(String));
  const seconds = Number(choice.seconds ?? (quick ? 2 : 60));
  if (!(seconds > 0)) throw new RangeError(`--seconds takes a number above 0; got '${choice.seconds}'`);
  return {
    functions: functions.filter(({ definition }) => chosen.includes(definition.name)),
    loads: LOADS.filter((load) => loads.includes(String(load))),
    neighbours: chosenOf('neighbour', choice.neighbour, ['off', 'on']).map((neighbour) => neighbour === 'on'),
    measuredMs: 1000 * seconds,
    burst: quick ? { ...BURST, beforeMs: 500, burstMs: 1_000, afterMs: 5_000, windowMs: 1_000 } : BURST,
    calibrationMs: quick ? 300 : 2_000,
    learningMs: quick ? 2_000 : 14_000,
    warmUpMs: quick ? 500 : 3_000,
  };
}

function chosenOf(what: string, text: string | undefined, all: readonly string[]): readonly string[] {
  if (text === undefined) return all;
  const chosen = text.split(',').map((name) => name.trim());
  const unknown = chosen.find((name) => !all.includes(name));
  if (unknown === undefined) return chosen;
  throw new RangeError(`no ${what} named '${unknown}'; there are: ${all.join(', ')}`);
}
