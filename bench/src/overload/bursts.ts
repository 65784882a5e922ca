/** When a neighbour takes its processors: pure, seeded, known before the load begins. */
import { Random } from '../models/random';

/** A time in which the neighbour is at work, ms from the start. */
export interface Burst {
  fromMs: number;
  toMs: number;
}

const LENGTH_MS = { min: 1_000, max: 10_000 };

/** Bursts and pauses of 1 to 10 s in turn, a pause first; the same seed gives the same ones. */
export function burstsWithin(durationMs: number, seed: number): Burst[] {
  const random = new Random(seed);
  const lengthMs = (): number => LENGTH_MS.min + random.below(LENGTH_MS.max - LENGTH_MS.min);
  const bursts: Burst[] = [];
  for (let fromMs = lengthMs(); fromMs < durationMs;) {
    const toMs = Math.min(durationMs, fromMs + lengthMs());
    bursts.push({ fromMs, toMs });
    fromMs = toMs + lengthMs();
  }
  return bursts;
}

/** Share of the time from `fromMs` to `toMs` in which the neighbour is at work. */
export function busyShare(bursts: readonly Burst[], fromMs: number, toMs: number): number {
  const within = bursts.map((burst) => Math.max(0, Math.min(burst.toMs, toMs) - Math.max(burst.fromMs, fromMs)));
  return within.reduce((sum, ms) => sum + ms, 0) / (toMs - fromMs);
}
