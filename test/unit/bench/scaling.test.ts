import { BYTES_PER_MB, type ProfileRow } from '@tetris/invoker-extension';
import fc from 'fast-check';
import { type Demand, oneShape, optimum, ours, paper } from '../../../bench/src/scaling/rules';
import { drawnTable, parseTables } from '../../../bench/src/scaling/tables';
import { testSeed } from '../../support/random';

const row = (latencyMs: number, megabytes: number): ProfileRow => ({
  cpu: 1,
  concurrency: 1,
  batch: 1,
  latencyMs,
  privateBytes: megabytes * BYTES_PER_MB,
});
const demand: Demand = { rate: 15, sloMs: 1_000, alpha: 0 };

describe('profile tables', () => {
  it('reads rows as the released code writes them', () => {
    const [table] = parseTables('resnet 2 1 4 508.28 199.75\n\n');
    const expected = { cpu: 2, concurrency: 1, batch: 4, latencyMs: 508.28, privateBytes: 199.75 * BYTES_PER_MB };
    expect(table).toEqual({ model: 'resnet', rows: [expected] });
  });

  it.each(['resnet 2 1 4 508.28', 'resnet 2 1 four 508.28 199.75', 'resnet 2 1 0 508.28 199.75'])(
    'names the line that is no row: %s',
    (line) => {
      expect(() => parseTables(`resnet 2 1 1 179.5 199.2\n${line}\n`)).toThrow(/line 2/);
    },
  );
});

describe('the exact optimum', () => {
  it('mixes shapes where one alone would cost more', () => {
    // 10 requests a second for 100 MB, 5 for 60 MB: one of each serves 15 for 160 MB.
    expect(optimum([row(100, 100), row(200, 60)], demand)).toBe(160);
    expect(oneShape([row(100, 100), row(200, 60)], demand)).toBe(180);
  });

  it('has no answer where no row meets the objective', () => {
    expect(optimum([row(2_000, 100)], demand)).toBe(Infinity);
  });

  it('is never more than any rule asks for', () => {
    const draws = fc.record({ seed: fc.nat(), rate: fc.double({ min: 0.1, max: 500, noNaN: true }) });
    fc.assert(
      fc.property(draws, ({ seed, rate }) => {
        const { rows } = drawnTable(seed);
        const asked = { rate, sloMs: 600, alpha: 64 };
        const least = optimum(rows, asked);
        for (const rule of [ours, paper, oneShape]) {
          expect(rule(rows, asked)).toBeGreaterThanOrEqual(least - 1e-6);
        }
      }),
      { seed: testSeed(), numRuns: 50 },
    );
  });
});
