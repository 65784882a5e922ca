import fc from 'fast-check';
import { planInstances, type Plan } from '../../../invoker-extension/src/scaling/plan';
import {
  cost,
  efficiency,
  meetsSlo,
  type ProfileRow,
  serviceRate,
} from '../../../invoker-extension/src/scaling/profile';
import { testSeed } from '../../support/random';

const MB = 1024 ** 2;
const row = (cpu: number, concurrency: number, batch: number, latencyMs: number, mb: number): ProfileRow => ({
  cpu,
  concurrency,
  batch,
  latencyMs,
  privateBytes: mb * MB,
});

const rows = fc.array(
  fc
    .record({
      cpu: fc.integer({ min: 1, max: 8 }),
      concurrency: fc.integer({ min: 1, max: 8 }),
      batch: fc.integer({ min: 1, max: 8 }),
      latencyMs: fc.integer({ min: 5, max: 400 }),
      mb: fc.integer({ min: 10, max: 600 }),
    })
    .map(({ cpu, concurrency, batch, latencyMs, mb }) => row(cpu, concurrency, batch, latencyMs, mb)),
  { minLength: 1, maxLength: 6 },
);

/** The cheapest cover, by trying every multiset of rows whose cost stays under the best so far. */
function exactCost(usable: readonly ProfileRow[], rate: number, alpha: number): number {
  let best = Number.POSITIVE_INFINITY;
  const best1 = Math.min(...usable.map((candidate) => cost(candidate, alpha) / serviceRate(candidate)));
  const search = (index: number, residual: number, spent: number): void => {
    if (residual <= 1e-9) {
      best = Math.min(best, spent);
      return;
    }
    const candidate = usable[index];
    if (candidate === undefined || spent + residual * best1 >= best) return;
    for (let count = Math.ceil(residual / serviceRate(candidate)); count >= 0; count -= 1) {
      search(index + 1, residual - count * serviceRate(candidate), spent + count * cost(candidate, alpha));
    }
  };
  search(0, rate, 0);
  return best;
}

const shapes = (plan: Plan): [number, number][] => plan.instances.map(({ row: { batch }, count }) => [batch, count]);

describe('planInstances', () => {
  it('takes the most efficient row until the rate is covered', () => {
    const small = row(1, 1, 1, 100, 30); // 10/s
    const large = row(2, 2, 4, 100, 50); // 80/s
    const plan = planInstances([small, large], { rate: 160, sloMs: 300, alpha: 10, instancesMax: 10 });
    expect(shapes(plan)).toEqual([[4, 2]]);
    expect(plan.covers).toBe(true);
  });

  it('closes a small remainder with an unlike, cheaper instance', () => {
    const small = row(1, 1, 1, 100, 30);
    const large = row(2, 2, 4, 100, 50);
    const plan = planInstances([small, large], { rate: 85, sloMs: 300, alpha: 10, instancesMax: 10 });
    expect(shapes(plan)).toEqual([
      [4, 1],
      [1, 1],
    ]);
  });

  it('expected failure: says that it does not cover when no row meets the objective', () => {
    const plan = planInstances([row(1, 1, 2, 200, 30)], { rate: 1, sloMs: 300, alpha: 1, instancesMax: 10 });
    expect(plan).toMatchObject({ instances: [], covers: false });
  });

  it('stays within the bound on instances', () => {
    const plan = planInstances([row(1, 1, 1, 100, 30)], { rate: 100, sloMs: 300, alpha: 1, instancesMax: 3 });
    expect(plan).toMatchObject({ rate: 30, covers: false });
  });

  it('never breaks the objective, and covers any rate that some row can serve, for random profiles', () => {
    fc.assert(
      fc.property(
        rows,
        fc.double({ min: 0.1, max: 300, noNaN: true }),
        fc.integer({ min: 50, max: 600 }),
        (all, rate, sloMs) => {
          const plan = planInstances(all, { rate, sloMs, alpha: 50, instancesMax: 10_000 });
          for (const { row: chosen } of plan.instances) expect(meetsSlo(chosen, sloMs)).toBe(true);
          expect(plan.covers).toBe(all.some((candidate) => meetsSlo(candidate, sloMs)));
        },
      ),
      { seed: testSeed() },
    );
  });

  it('costs at most 1.1 times the exact optimum over random profiles', () => {
    fc.assert(
      fc.property(rows, fc.double({ min: 0.1, max: 120, noNaN: true }), (all, rate) => {
        const usable = all
          .filter((candidate) => meetsSlo(candidate, 300))
          .sort((a, b) => efficiency(b, 50) - efficiency(a, 50));
        fc.pre(usable.length > 0);
        const plan = planInstances(all, { rate, sloMs: 300, alpha: 50, instancesMax: 10_000 });
        expect(plan.covers).toBe(true);
        expect(plan.cost).toBeLessThanOrEqual(1.1 * exactCost(usable, rate, 50) + 1e-6);
      }),
      { seed: testSeed(), numRuns: 200 },
    );
  });
});
