import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits until the condition holds.
 * @throws Error naming the condition when it does not hold within `timeoutMs`
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
  what = condition.toString(),
): Promise<void> {
  const giveUpMs = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > giveUpMs) throw new Error(`did not come true within ${timeoutMs} ms: ${what}`);
    await delay(10);
  }
}
