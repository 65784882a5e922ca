/** How many activations are handed on while more comes than can be served. */
import { InFlightLimit } from '../../../load-balancer/src/fleet/in-flight-limit';
import { fixedSeed } from '../../support/random';
import { goodput, type Policy, type SimulatedFunction } from '../../support/simulated-overload';

const SLO_MS = 300;

/** Answers of activations that were handed on one after the other with so many in flight, ms after each. */
function after(
  tookMs: number,
  inFlight: number,
  count: number,
  limit = new InFlightLimit(),
  fromMs = 0,
): InFlightLimit {
  for (let sentMs = fromMs; sentMs < fromMs + count; sentMs += 1) {
    limit.answered({ inFlight, sentMs, dueMs: sentMs + SLO_MS, answeredMs: sentMs + tookMs });
  }
  return limit;
}

describe('the limit of what is in flight', () => {
  it('is not known before an answer', () => {
    expect(new InFlightLimit().of(SLO_MS)).toBeUndefined();
  });

  it('begins with most of what the first answer says, for what is left of the objective', () => {
    const limit = after(100, 4, 1);
    expect(limit.of(SLO_MS)).toBeCloseTo(0.85 * 12, 0);
    expect(limit.of(SLO_MS / 2)).toBeCloseTo(0.85 * 6, 0);
  });

  it('grows by a sixteenth with each round of answers in time', () => {
    const limit = after(250, 10, 1);
    const before = limit.of(SLO_MS) ?? 0;
    after(250, 10, 10, limit);
    expect((limit.of(SLO_MS) ?? 0) / before).toBeCloseTo(1 + 1 / 16, 2);
  });

  it('does not grow by answers that had few beside them', () => {
    const limit = after(100, 10, 1);
    const before = limit.of(SLO_MS);
    after(100, 10, 100, limit);
    expect(limit.of(SLO_MS)).toBe(before);
  });

  it('falls, when answers were late, to most of what would have been in time, however many were late together', () => {
    const limit = after(200, 10, 1);
    after(400, 10, 30, limit);
    expect(limit.of(SLO_MS)).toBeCloseTo((0.85 * 10 * SLO_MS) / 400);
  });

  it('falls little by one late answer among many', () => {
    const limit = after(200, 16, 1);
    const before = limit.of(SLO_MS) ?? 0;
    after(1_000, 16, 1, limit);
    expect((limit.of(SLO_MS) ?? 0) / before).toBeCloseTo(Math.exp(-1.94 / before));
  });

  it.each([
    [1, 'rises', 1],
    [10, 'falls', -1],
  ])('with %d of a hundred late %s', (late, _change, sign) => {
    const limit = after(200, 10, 1);
    const before = limit.of(SLO_MS) ?? 0;
    for (let answer = 0; answer < 300; answer += 1) {
      const inFlight = Math.max(1, Math.floor(limit.of(SLO_MS) ?? 0));
      after(answer % 100 < late ? 3_000 : 250, inFlight, 1, limit);
    }
    expect(Math.sign((limit.of(SLO_MS) ?? 0) - before)).toBe(sign);
  });

  it('does not grow by a late answer, however few are in flight', () => {
    const limit = after(400, 4, 1);
    const before = limit.of(SLO_MS);
    after(301, 10, 1, limit);
    expect(limit.of(SLO_MS)).toBe(before);
  });

  it('learns nothing from what was late when it was handed on', () => {
    const limit = new InFlightLimit();
    limit.answered({ inFlight: 1, sentMs: 10, dueMs: 10, answeredMs: 20 });
    expect(limit.of(SLO_MS)).toBeUndefined();
  });
});

const FUNCTIONS: Readonly<Record<string, SimulatedFunction>> = {
  'takes as much for each request of a batch': { batchMs: 5, requestMs: 30, perSecond: 110 },
  'takes less for each': { batchMs: 20, requestMs: 15, perSecond: 200 },
  'takes little more for a batch than for one': { batchMs: 60, requestMs: 8, perSecond: 240 },
};

const fixed = (most: number): Policy => ({ of: () => most, answered: () => undefined });

describe.each(Object.entries(FUNCTIONS))('under twice what a node can do, of a function that %s', (_name, of) => {
  it.each([false, true])(
    'four fifths of the answers that the best fixed limit has in time are, at least (neighbour: %s)',
    async (neighbour) => {
      const play = (policy: Policy): Promise<number> =>
        goodput(of, policy, { neighbour, seconds: 120, seed: fixedSeed() });
      const best = Math.max(...(await Promise.all([4, 6, 8, 10, 13, 16, 20].map((most) => play(fixed(most))))));
      const found = await play(new InFlightLimit());
      expect(found / best).toBeGreaterThan(0.8);
    },
  );
});
