/** The whole rate planned within cores and memory: compared with trying every mix. */
import fc from 'fast-check';
import { bestMix, type MixOptions } from '../../../invoker-extension/src/scaling/mix';
import { cost, meetsSlo, type ProfileRow, serviceRate } from '../../../invoker-extension/src/scaling/profile';

const MB = 1024 ** 2;
const SLO_MS = 300;

const row = (cpu: number, batch: number, latencyMs: number, mb: number): ProfileRow => ({
  cpu,
  concurrency: cpu,
  batch,
  latencyMs,
  privateBytes: mb * MB,
});

const rows = fc.array(
  fc
    .tuple(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 5, max: 400 }),
      fc.integer({ min: 10, max: 200 }),
    )
    .map((figures) => row(...figures)),
  { minLength: 1, maxLength: 4 },
);
const options = fc.record({
  rate: fc.double({ min: 0.1, max: 400, noNaN: true }),
  cores: fc.integer({ min: 0, max: 7 }),
  bytes: fc.integer({ min: 0, max: 900 }).map((mb) => mb * MB),
  instancesMax: fc.integer({ min: 0, max: 6 }),
  alpha: fc.constantFrom(0, 64),
  sloMs: fc.constant(SLO_MS),
});

const sumOf = (mix: readonly ProfileRow[], figure: (one: ProfileRow) => number): number =>
  mix.reduce((sum, one) => sum + figure(one), 0);

/** Every mix within the limits. */
function allMixes(usable: readonly ProfileRow[], limits: MixOptions): ProfileRow[][] {
  const grow = (mix: ProfileRow[], from: number): ProfileRow[][] => [
    mix,
    ...usable.slice(from).flatMap((one, at) => {
      const grown = [...mix, one];
      const fits =
        sumOf(grown, ({ cpu }) => cpu) <= limits.cores &&
        sumOf(grown, ({ privateBytes }) => privateBytes) <= limits.bytes &&
        grown.length <= limits.instancesMax;
      return fits ? grow(grown, from + at) : [];
    }),
  ];
  return grow([], 0);
}

describe('bestMix', () => {
  it('takes one batched instance where single ones would need more cores than there are', () => {
    const [single, batched] = [row(1, 1, 50, 50), row(1, 8, 80, 60)];
    const limits = { cores: 2, bytes: Infinity, instancesMax: 10, alpha: 64, sloMs: SLO_MS };
    expect(bestMix([single, batched], { ...limits, rate: 90 }).rows).toEqual([batched]);
    expect(bestMix([single, batched], { ...limits, rate: 20 }).rows).toEqual([single]);
  });

  it('never passes a limit or the objective, and serves all that any mix within the limits serves', () => {
    fc.assert(
      fc.property(rows, options, (all, limits) => {
        const mix = bestMix(all, limits);
        const mixes = allMixes(
          all.filter((one) => meetsSlo(one, SLO_MS)),
          limits,
        );
        expect(mix.rows.every((one) => meetsSlo(one, SLO_MS))).toBe(true);
        expect(sumOf(mix.rows, ({ cpu }) => cpu)).toBeLessThanOrEqual(limits.cores);
        expect(sumOf(mix.rows, ({ privateBytes }) => privateBytes)).toBeLessThanOrEqual(limits.bytes);
        expect(mix.rows.length).toBeLessThanOrEqual(limits.instancesMax);
        expect(mix.rate).toBeCloseTo(sumOf(mix.rows, serviceRate), 6);
        const most = Math.max(...mixes.map((each) => sumOf(each, serviceRate)));
        expect(mix.rate).toBeGreaterThanOrEqual(Math.min(most, limits.rate) - 1e-6);
        if (most < limits.rate) return;
        const costOf = (each: readonly ProfileRow[]): number => sumOf(each, (one) => cost(one, limits.alpha));
        const covering = mixes.filter((each) => sumOf(each, serviceRate) >= limits.rate);
        expect(costOf(mix.rows)).toBeLessThanOrEqual(Math.min(...covering.map(costOf)) + 1e-6);
      }),
      { numRuns: 300 },
    );
  });

  it('answers within bounds for many cores and shapes', () => {
    const shapes = Array.from({ length: 24 }, (_, at) => row(1 + (at % 4), 1 + (at % 8), 20 + 7 * at, 30 + 11 * at));
    const limits = { cores: 128, bytes: 64 * 1024 * MB, instancesMax: 64, alpha: 64, sloMs: SLO_MS, rate: 1e9 };
    const mix = bestMix(shapes, limits);
    expect(sumOf(mix.rows, ({ cpu }) => cpu)).toBeLessThanOrEqual(128);
    expect(mix.rate).toBeGreaterThan(0);
  });
});
