import { setTimeout as sleep } from 'node:timers/promises';
import { asPluginError, isPluginError } from '@tetris/common';

const FIRST_PAUSE_MS = 50;
const PAUSE_MS_MAX = 1_000;

export interface RetryOptions {
  /** Epoch ms after which nothing is tried again. */
  untilMs: number;
  now: () => number;
  /** Errors that end it at once, beside those that are not retriable. */
  unless?: (error: unknown) => boolean;
}

/** Repeats what failed retriably, with growing pauses. Then throws the last error. */
export async function retryUntil<T>(attempt: () => Promise<T>, { untilMs, now, unless }: RetryOptions): Promise<T> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
    try {
      return await attempt();
    } catch (error) {
      const final = !asPluginError(error).retriable || unless?.(error) === true;
      if (final || now() + pauseMs > untilMs) throw error;
    }
    await sleep(pauseMs);
  }
}

/** After a failed send: may the broker have the message all the same? */
export const perhapsSent = (error: unknown): boolean => isPluginError(error) && error.fields['written'] === 'unknown';
