import { isPluginError } from '../errors';
import { type Backoff, pauseMs } from './backoff';
import { type Clock, SYSTEM_CLOCK } from './clock';

/** Something has to end it, beside success and an error that is final. */
type Bound = { attemptsMax: number } | { untilMs: number } | { signal: AbortSignal };

export type RetryOptions = Bound &
  Partial<Clock> & {
    backoff: Backoff;
    /** Most attempts, the first included. */
    attemptsMax?: number;
    /** Time, as `now` tells it, after which no attempt begins but the first. */
    untilMs?: number;
    /** Ends the pauses. An attempt that runs has to heed it itself. */
    signal?: AbortSignal;
    /** Whether to try again after an error. @default where it is a PluginError that says so */
    again?: (error: unknown) => boolean;
  };

/**
 * Tries until it works or a bound is reached.
 *
 * @param attempt is told how many attempts there have been, itself included
 * @throws what the last attempt threw; the signal's reason where it was aborted before the first
 */
export async function retry<T>(attempt: (count: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { backoff, attemptsMax = Infinity, untilMs = Infinity, signal } = options;
  const { again = isRetriable, now, sleep, random } = { ...SYSTEM_CLOCK, ...options };
  const isOver = (): boolean => signal?.aborted === true;
  signal?.throwIfAborted();
  for (let count = 1; ; count += 1) {
    try {
      return await attempt(count);
    } catch (error) {
      const ms = pauseMs(backoff, count, random);
      if (isOver() || !again(error) || count >= attemptsMax || now() + ms > untilMs) throw error;
      await sleep(ms, signal).catch(() => undefined);
      if (isOver()) throw error;
    }
  }
}

const isRetriable = (error: unknown): boolean => isPluginError(error) && error.retriable;
