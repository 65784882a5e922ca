import fc from 'fast-check';
import { meetsSlo } from '../../../invoker-extension/src/scaling/profile';
import { capacityFor } from '../../../invoker-extension/src/scaling/waiting-bound';
import { fixedSeed, fractionsFrom, testSeed } from '../../support/random';

/** So many that bursts even out. */
const REQUESTS = 400_000;
const BOUND = { spareMs: 200, arrivals: 1, executions: 0.1, lateMax: 0.01 };

describe('capacityFor', () => {
  it('leaves few to wait for longer than they can afford, in a queue that is played through', () => {
    const seed = fixedSeed();
    const random = fractionsFrom(seed);
    for (const rate of [5, 20, 100]) {
      const capacity = capacityFor(rate, { ...BOUND, executions: 0 });
      let [freeMs, nowMs, late] = [0, 0, 0];
      for (let request = 0; request < REQUESTS; request += 1) {
        nowMs -= (1000 * Math.log(1 - random())) / rate;
        if (freeMs - nowMs > BOUND.spareMs) late += 1;
        freeMs = Math.max(freeMs, nowMs) + 1000 / capacity;
      }
      expect({ seed, rate, few: late / REQUESTS <= 1.5 * BOUND.lateMax }).toEqual({ seed, rate, few: true });
    }
  });

  it('grows with the rate and with variation, falls with the time there is, and is never below the rate', () => {
    const rates = fc.double({ min: 0.1, max: 1e3, noNaN: true });
    fc.assert(
      fc.property(rates, rates, (rate, more) => {
        const capacity = capacityFor(rate, BOUND);
        return (
          capacity >= rate &&
          capacityFor(rate + more, BOUND) > capacity &&
          capacityFor(rate, { ...BOUND, arrivals: 1 + more }) > capacity &&
          capacityFor(rate, { ...BOUND, spareMs: 200 + more }) < capacity
        );
      }),
      { seed: testSeed() },
    );
  });

  it('is no capacity for no rate, and finite where there is no time to wait', () => {
    expect(capacityFor(0, BOUND)).toBe(0);
    expect(capacityFor(10, { ...BOUND, spareMs: -50 })).toBeLessThan(1_000);
  });
});

describe('meetsSlo', () => {
  it('gives a batch half of the objective for its tail, as the paper does', () => {
    const row = { cpu: 1, concurrency: 1, batch: 8, latencyMs: 155, meanMs: 140, privateBytes: 1 };
    expect([meetsSlo(row, 300), meetsSlo({ ...row, latencyMs: 150 }, 300)]).toEqual([false, true]);
    expect(meetsSlo({ ...row, batch: 1, latencyMs: 300 }, 300)).toBe(true);
  });
});
