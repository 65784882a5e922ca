import * as fc from 'fast-check';
import { type Candidate, GreedyDual } from '../../../tensor-daemon/src/store/greedy-dual';

const cheap: Candidate = { key: 'cheap', cost: 10, size: 1_000 };
const dear: Candidate = { key: 'dear', cost: 1_000, size: 1_000 };
const large: Candidate = { key: 'large', cost: 1_000, size: 1_000_000 };

describe('GreedyDual', () => {
  it('lets go first what is cheap to have back, and what is large', () => {
    const order = new GreedyDual();
    for (const { key } of [cheap, dear, large]) order.touch(key);
    expect(order.victim([cheap, dear, large])).toBe(large);
    expect(order.victim([cheap, dear])).toBe(cheap);
  });

  it('keeps longer what is used more often', () => {
    const order = new GreedyDual();
    const twin = { ...cheap, key: 'twin' };
    for (let count = 0; count < 3; count++) order.touch('cheap');
    order.touch('twin');
    expect(order.victim([cheap, twin])).toBe(twin);
  });

  it('ages: what was dear once leaves when cheaper things have come and gone since', () => {
    const order = new GreedyDual();
    order.touch('dear');
    for (let round = 0; round < 200; round++) {
      const visitor = { ...cheap, key: `visitor${round}` };
      order.touch(visitor.key);
      const victim = order.victim([dear, visitor]);
      if (victim === dear) {
        expect(round).toBeGreaterThan(10);
        return;
      }
      if (victim !== undefined) order.leave(victim);
    }
    throw new Error('it never left');
  });

  /** What a store sees: models of measured cost and size that are used, and room that is needed now and then. */
  const histories = fc.record({
    models: fc.array(fc.record({ cost: fc.integer({ min: 1, max: 60_000 }), size: fc.integer({ min: 1, max: 1e9 }) }), {
      minLength: 2,
      maxLength: 12,
    }),
    events: fc.array(fc.oneof({ weight: 3, arbitrary: fc.nat(11) }, fc.constant('leave' as const)), { maxLength: 60 }),
  });

  it('lets go the one with the least of clock + frequency x cost / size, whatever has happened before', () => {
    fc.assert(
      fc.property(histories, ({ models, events }) => {
        const candidates = models.map((model, index): Candidate => ({ key: String(index), ...model }));
        const order = new GreedyDual();
        const present = new Map<string, Candidate>();
        const uses = new Map<string, { frequency: number; clock: number }>();
        let clock = 0;
        const worth = ({ key, cost, size }: Candidate): number =>
          (uses.get(key)?.clock ?? clock) + ((uses.get(key)?.frequency ?? 1) * cost) / size;
        for (const event of events) {
          if (event === 'leave') {
            const victim = order.victim(present.values());
            expect(victim === undefined).toBe(present.size === 0);
            if (victim === undefined) continue;
            expect(worth(victim)).toBe(Math.min(...[...present.values()].map(worth)));
            // Nobody leaves for less than the one before: what is new begins at the clock.
            expect(worth(victim)).toBeGreaterThanOrEqual(clock);
            clock = worth(victim);
            order.leave(victim);
            uses.delete(victim.key);
            present.delete(victim.key);
          } else {
            const used = candidates[event % candidates.length] as Candidate;
            order.touch(used.key);
            uses.set(used.key, { frequency: (uses.get(used.key)?.frequency ?? 0) + 1, clock });
            present.set(used.key, used);
          }
        }
      }),
    );
  });

  it('prefers, among models used alike, the one whose return costs least for the bytes that it frees', () => {
    const measured = fc.record({ cost: fc.integer({ min: 1, max: 60_000 }), size: fc.integer({ min: 1, max: 1e9 }) });
    fc.assert(
      fc.property(fc.array(measured, { minLength: 1, maxLength: 20 }), (models) => {
        const order = new GreedyDual();
        const candidates = models.map((model, index): Candidate => ({ key: String(index), ...model }));
        for (const { key } of candidates) order.touch(key);
        const victim = order.victim(candidates) as Candidate;
        for (const { cost, size } of candidates) expect(victim.cost / victim.size).toBeLessThanOrEqual(cost / size);
      }),
    );
  });

  it('has no victim among none', () => {
    expect(new GreedyDual().victim([])).toBeUndefined();
  });
});
