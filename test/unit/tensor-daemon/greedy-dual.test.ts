import { type Candidate, GreedyDual } from '../../../tensor-daemon/src/reclaim/greedy-dual';

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

  it('has no victim among none', () => {
    expect(new GreedyDual().victim([])).toBeUndefined();
  });
});
