import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits until the condition holds.
 * @param timeoutMs against what hangs, not what a test asserts: below Jest's own, so that the error names the condition
 * @throws Error naming the condition when it does not hold within `timeoutMs`
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = condition.toString(),
  timeoutMs = 60_000,
): Promise<void> {
  const giveUpMs = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > giveUpMs) throw new Error(`did not come true within ${timeoutMs} ms: ${what}`);
    await delay(10);
  }
}
