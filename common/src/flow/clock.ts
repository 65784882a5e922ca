import { setTimeout as sleepFor } from 'node:timers/promises';

/** Resolves after a while; rejects when the signal ends it. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

/** Time and chance, for those who have to be told of them. */
export interface Clock {
  /** ms */
  now: () => number;
  sleep: Sleep;
  /** From 0 to 1. */
  random: () => number;
}

/** Its timers keep the process alive. */
export const SYSTEM_CLOCK: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => sleepFor(ms, undefined, { signal }),
  random: Math.random,
};
