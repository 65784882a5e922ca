/**
 * A group whose rate does not change, on a node with few cores and little memory: its plans come to rest, at the best
 * there is.
 */
import fc from 'fast-check';
import { type GroupPlan, GroupScaler, type LivingInstance } from '../../../invoker-extension/src/scaling/group-scaler';
import { bestMix } from '../../../invoker-extension/src/scaling/mix';
import type { LearnedRow } from '../../../invoker-extension/src/scaling/online-profile';
import { meetsSlo, sameShape, serviceRate } from '../../../invoker-extension/src/scaling/profile';
import { settingsOfRow, shapeOf } from '../../../invoker-extension/src/scaling/settings';
import { fixedSeed } from '../../support/random';

const MB = 1024 ** 2;
const SLO_MS = 300;
const PLAN_MS = 3_000;
/** Each instance may have to be replaced, a start and an end at a time; the last plans rest. */
const PLANS = 80;
const REST = 20;
const OPTIONS = {
  rate: { bucketMs: 1_000, shortMs: 3_000, longMs: 60_000, confidence: 1.64 },
  alpha: 64,
  lateMax: 0.01,
  instancesMax: 64,
  scaleInPlans: 3,
  replacePlans: 2,
  profileNoise: 1.25,
  backoffMs: 30_000,
};

const row = (workers: number, batch: number, latencyMs: number, mb: number): LearnedRow => ({
  cpu: workers,
  concurrency: workers,
  batch,
  latencyMs,
  privateBytes: mb * MB,
  source: 'given',
});
const SINGLE = row(1, 1, 50, 50);
const BATCHED = row(1, 8, 80, 60);

interface Node {
  rows: readonly LearnedRow[];
  cores: number;
  bytes: number;
  /** Requests per second. */
  rate: number;
}

const coresOf = (living: readonly LivingInstance[]): number =>
  living.reduce((sum, { settings }) => sum + settings.workers, 0);
const rowOf = (rows: readonly LearnedRow[], { settings }: LivingInstance): LearnedRow => {
  const found = rows.find((each) => sameShape(each, shapeOf(settings)));
  if (found === undefined) throw new Error('an instance of a shape that nobody knows');
  return found;
};
const bytesOf = (rows: readonly LearnedRow[], living: readonly LivingInstance[]): number =>
  living.reduce((sum, instance) => sum + rowOf(rows, instance).privateBytes, 0);
const servedBy = (rows: readonly LearnedRow[], living: readonly LivingInstance[]): number =>
  living.reduce((sum, instance) => sum + serviceRate(rowOf(rows, instance)), 0);

interface Step {
  plan: GroupPlan;
  /** Before the plan was done. */
  living: LivingInstance[];
}

/** Plans every three seconds; an instance needs as long to become ready, and one that ends is gone by the next plan. */
function plansOf({ rows, cores, bytes, rate }: Node, initial: readonly LearnedRow[]): Step[] {
  const first = settingsOfRow(initial[0] ?? SINGLE, SLO_MS, 500);
  const group = { key: 'g', revision: 'r', sloMs: SLO_MS, limitBytes: 320 * MB, first, batchMax: 8, roomMax: 500 };
  const scaler = new GroupScaler(group, OPTIONS, cores, 0);
  let id = 0;
  const instance = (each: LearnedRow, ready: boolean): LivingInstance => ({
    id: (id += 1),
    group: 'g',
    settings: settingsOfRow(each, SLO_MS, 500),
    ready,
  });
  let living = initial.map((each) => instance(each, true));
  const steps: Step[] = [];
  let arrivedMs = 0;
  for (let nowMs = PLAN_MS; nowMs <= PLANS * PLAN_MS; nowMs += PLAN_MS) {
    const served = servedBy(
      rows,
      living.filter(({ ready }) => ready),
    );
    for (; arrivedMs < nowMs; arrivedMs += 1000 / rate) {
      scaler.arrived(arrivedMs);
      // What is not served queues up, and with it all that comes.
      scaler.answered(served < rate ? 2 * SLO_MS : SLO_MS / 2);
    }
    const plan = scaler.plan(living, rows, { cores, bytes: bytes - bytesOf(rows, living) }, nowMs);
    steps.push({ plan, living });
    const kept = living.filter((each) => !plan.ends.includes(each.id)).map((each) => ({ ...each, ready: true }));
    living = [...kept, ...plan.starts.map((each) => instance(each, false))];
    // Demand starts one where none lives.
    if (living.length === 0) living = [{ ...instance(SINGLE, false), settings: plan.next }];
  }
  return steps;
}

const shapesOf = ({ living }: Step): string[] =>
  living.map(({ settings: { workers, batch } }) => `${workers}x${batch}`).sort();

describe('GroupScaler', () => {
  it('puts batched instances in the place of single ones that have taken all cores', () => {
    const node = { rows: [SINGLE, BATCHED], cores: 2, bytes: 1024 * MB, rate: 70 };
    const steps = plansOf(node, [SINGLE, SINGLE]);
    // The better one starts beside them; the others end when it is ready.
    const both = ['1x1', '1x1', '1x8'];
    // The first plan waits and sees.
    expect(steps.slice(0, 5).map(shapesOf)).toEqual([['1x1', '1x1'], ['1x1', '1x1'], both, both, ['1x8']]);
    expect(shapesOf(steps.at(-1) as Step)).toEqual(['1x8']);
  });

  it('ends one before another starts where memory has no room for both', () => {
    const node = { rows: [SINGLE, BATCHED], cores: 2, bytes: 110 * MB, rate: 70 };
    const steps = plansOf(node, [SINGLE, SINGLE]);
    expect(steps[1]?.plan).toMatchObject({ starts: [], ends: [expect.any(Number)] });
    expect(shapesOf(steps.at(-1) as Step)).toEqual(['1x8']);
  });

  const profile = fc
    .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.constantFrom(1, 2, 4, 8)), {
      minLength: 1,
      maxLength: 5,
      selector: String,
    })
    .chain((shapes) =>
      fc.tuple(
        ...shapes.map(([workers, batch]) =>
          fc
            .tuple(fc.integer({ min: 10, max: 400 }), fc.integer({ min: 20, max: 200 }))
            .map(([latencyMs, mb]) => row(workers, batch, latencyMs, mb)),
        ),
      ),
    );
  const nodes = fc
    .record({
      rows: profile,
      cores: fc.integer({ min: 4, max: 8 }),
      mb: fc.integer({ min: 250, max: 1500 }),
      rate: fc.integer({ min: 1, max: 200 }),
      picks: fc.array(fc.nat(), { minLength: 1, maxLength: 8 }),
    })
    .map(({ rows, cores, mb, rate, picks }) => {
      const node = { rows, cores, bytes: mb * MB, rate };
      // What lives at first is within the limits.
      const initial: LearnedRow[] = [];
      for (const pick of picks) {
        const next = rows[pick % rows.length] as LearnedRow;
        const grown = [...initial, next];
        const sum = (figure: (one: LearnedRow) => number): number => grown.reduce((all, one) => all + figure(one), 0);
        if (sum(({ cpu }) => cpu) <= cores && sum(({ privateBytes }) => privateBytes) <= node.bytes) initial.push(next);
      }
      return { node, initial };
    });

  it('within a bounded number of plans comes to rest, never beyond memory, and beyond the cores by one start at most', () => {
    fc.assert(
      fc.property(nodes, ({ node, initial }) => {
        fc.pre(initial.length > 0 && initial.every((each) => meetsSlo(each, SLO_MS)));
        const steps = plansOf(node, initial);
        for (const { plan, living } of steps) {
          const starts = plan.starts.reduce((sum, { privateBytes }) => sum + privateBytes, 0);
          expect(bytesOf(node.rows, living) + starts).toBeLessThanOrEqual(node.bytes);
          expect(plan.starts.every((each) => meetsSlo(each, SLO_MS))).toBe(true);
          const kept = living.filter(({ id }) => !plan.ends.includes(id));
          const ready = coresOf(kept.filter((each) => each.ready));
          const coming = coresOf(kept) - ready + plan.starts.reduce((sum, { cpu }) => sum + cpu, 0);
          if (ready + coming > node.cores) expect(plan.starts.length).toBeLessThanOrEqual(1);
          expect(ready).toBeLessThanOrEqual(node.cores);
        }
        const rest = steps.slice(-REST);
        expect(rest.flatMap(({ plan }) => [...plan.starts, ...plan.ends])).toEqual([]);
        const last = steps.at(-1) as Step;
        const wanted = node.rate;
        const best = bestMix(node.rows, { ...OPTIONS, ...node, sloMs: SLO_MS, rate: wanted });
        if (best.rate >= 1.1 * wanted) expect(servedBy(node.rows, last.living)).toBeGreaterThanOrEqual(node.rate);
        else expect(1.26 * servedBy(node.rows, last.living)).toBeGreaterThanOrEqual(Math.min(best.rate, wanted));
      }),
      { numRuns: Number(process.env['TEST_RUNS'] ?? 100), seed: fixedSeed() },
    );
  });
});
