import { retry } from '../flow/retry';
import { kafkaCause } from './kafka-errors';

const BACKOFF = { firstMs: 100, maxMs: 2_000 };

/**
 * Tries again until it works, the broker says that it never will, or the time is up.
 * @throws the last error
 */
export async function whileStarting<T>(timeoutMs: number, attempt: () => Promise<T>): Promise<T> {
  const again = (error: unknown): boolean => {
    const { type, retriable } = kafkaCause(error);
    return type === undefined || retriable !== false;
  };
  return retry(attempt, { backoff: BACKOFF, untilMs: Date.now() + timeoutMs, again });
}
