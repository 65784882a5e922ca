import { setTimeout as delay } from 'node:timers/promises';
import { kafkaCause } from './kafka-errors';

const FIRST_MS = 100;
const MAX_MS = 2_000;

/**
 * Tries again, with a growing pause, until it works, the broker says that it never will, or the time is up.
 * @throws the last error
 */
export async function retryFor<T>(timeoutMs: number, attempt: () => Promise<T>): Promise<T> {
  const giveUpMs = Date.now() + timeoutMs;
  for (let waitMs = FIRST_MS; ; waitMs = Math.min(waitMs * 2, MAX_MS)) {
    try {
      return await attempt();
    } catch (error) {
      const { type, retriable } = kafkaCause(error);
      const isFinal = type !== undefined && retriable === false;
      if (isFinal || Date.now() + waitMs > giveUpMs) throw error;
    }
    await delay(waitMs);
  }
}
