/** When requests come: pure, seeded, fixed before the first is sent, so that a slow platform cannot slow them down. */
import { Random } from '../models/random';

const RAMP_STEPS = 10;

/** A time in which requests come at one rate. */
export interface Phase {
  durationMs: number;
  /** Requests per second. */
  rate: number;
}

/**
 * Arrivals of a Poisson process whose rate changes by phase, ms from its start, ascending. The same seed gives the same
 * ones.
 */
export function poissonArrivals(phases: readonly Phase[], seed: number): number[] {
  const random = new Random(seed);
  const times: number[] = [];
  let startMs = 0;
  let left = exponential(random);
  for (const { durationMs, rate } of phases) {
    let atMs = 0;
    // In units of expected arrivals every phase is alike: what is left at its end goes into the next.
    while (left <= ((durationMs - atMs) * rate) / 1000) {
      atMs += (left * 1000) / rate;
      times.push(startMs + atMs);
      left = exponential(random);
    }
    left -= ((durationMs - atMs) * rate) / 1000;
    startMs += durationMs;
  }
  return times;
}

/** From a tenth of the rate to all of it, in steps. */
export function ramp(durationMs: number, rate: number): Phase[] {
  return Array.from({ length: RAMP_STEPS }, (_, step) => ({
    durationMs: durationMs / RAMP_STEPS,
    rate: (rate * (step + 1)) / RAMP_STEPS,
  }));
}

/** One rate per line. @throws RangeError that names the line */
export function parseTrace(text: string): number[] {
  const rates = text
    .trim()
    .split(/\r?\n/)
    .map((line, at) => {
      const rate = line.trim() === '' ? NaN : Number(line);
      if (!Number.isFinite(rate) || rate < 0) throw new RangeError(`line ${at + 1} of the trace is no rate: '${line}'`);
      return rate;
    });
  if (!rates.some((rate) => rate > 0)) throw new RangeError('the trace has no rate above zero');
  return rates;
}

/** A trace played within `durationMs`, its highest rate at `peak`. */
export function tracePhases(rates: readonly number[], peak: number, durationMs: number): Phase[] {
  const highest = rates.reduce((most, rate) => Math.max(most, rate), 0);
  return rates.map((rate) => ({ durationMs: durationMs / rates.length, rate: (rate * peak) / highest }));
}

/** Traces that are made where none is at hand; their means and deviations are like those of published ones. */
export const SYNTHETIC_TRACES = {
  /** Coefficient of variation near 0.95: the exponential of a slowly wandering normal variable. */
  bursty: (seed: number): number[] => {
    const random = new Random(seed);
    const kept = 0.9;
    let level = 0;
    return Array.from({ length: POINTS }, () => {
      level = kept * level + Math.sqrt(1 - kept ** 2) * normal(random);
      return Math.exp(0.8 * level);
    });
  },
  /** Seven days with a peak each; coefficient of variation near 0.95. */
  periodic: (): number[] => Array.from({ length: POINTS }, (_, at) => Math.sin((7 * Math.PI * at) / POINTS) ** 4),
} as const;

/** A week in points of ten minutes. */
const POINTS = 1008;

const uniform = (random: Random): number => (random.below(2 ** 24) + 0.5) / 2 ** 24;

const exponential = (random: Random): number => -Math.log(uniform(random));

/** Box and Muller's. */
const normal = (random: Random): number => Math.sqrt(2 * exponential(random)) * Math.cos(2 * Math.PI * uniform(random));
