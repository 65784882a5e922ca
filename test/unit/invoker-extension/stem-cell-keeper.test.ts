import { createLogger } from '@tetris/common';
import { setImmediate as soon } from 'node:timers/promises';
import { Registrar } from '../../../invoker-extension/src/instances/registrar';
import { StemCellKeeper } from '../../../invoker-extension/src/instances/stem-cell-keeper';
import type { ContainerFactory } from '../../../invoker-extension/src/sandboxes/container';

const log = createLogger('test', 'silent');

it('rests after cells that did not start, longer each time, a minute at most', async () => {
  let [nowMs, starts] = [0, 0];
  const create = async (): Promise<never> => {
    starts += 1;
    throw new Error('no room');
  };
  const keeper = new StemCellKeeper({
    plans: [{ kind: 'nodejs:tetris', memoryBytes: 1, count: 1 }],
    seenBytesMax: 0,
    factory: { create } as unknown as ContainerFactory,
    registrar: new Registrar({
      instance: 0,
      daemon: undefined,
      attemptsMax: 1,
      backoff: { firstMs: 1, maxMs: 1 },
      log,
    }),
    env: {},
    log,
    now: () => nowMs,
  });
  const refillFor = async (ms: number): Promise<number> => {
    const [before, untilMs] = [starts, nowMs + ms];
    for (; nowMs < untilMs; nowMs += 100) {
      keeper.refill(() => true);
      await soon();
    }
    return starts - before;
  };

  // After 0.5 to 1 s, then after twice as long each time.
  expect(await refillFor(10_000)).toBeLessThanOrEqual(5);
  expect(await refillFor(600_000)).toBeLessThanOrEqual(25);
  // The longest rest is a minute.
  expect(await refillFor(61_000)).toBeGreaterThanOrEqual(1);
});
