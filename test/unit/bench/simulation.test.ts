import { Events } from '../../../bench/src/simulation/events';
import { Processors } from '../../../bench/src/simulation/processors';
import { memoryOf, refusalsOf } from '../../../bench/src/simulation/scenarios';
import { fractionsFrom, testSeed } from '../../support/random';

const SEEDS = [1, 2, 3];
/** Against what hangs: a second or two where nothing else is at work. */
const TIMEOUT_MS = 120_000;

jest.setTimeout(TIMEOUT_MS);

describe('a cluster in simulated time', () => {
  it.each(SEEDS)('refuses nobody while a node has the bytes, and answers everybody (seed %i)', async (seed) => {
    const { requests, refusedWithRoom, unanswered } = await refusalsOf({ nodes: 10, functions: 100 }, seed);
    expect(requests).toBeGreaterThan(1_000);
    expect([refusedWithRoom, unanswered]).toEqual([0, 0]);
  });

  it.each(SEEDS)('needs no more memory by similarity than by hash (seed %i)', async (seed) => {
    const size = { nodes: 10, functions: 100 };
    const [similar, hashed] = [await memoryOf(size, seed, 'similarity'), await memoryOf(size, seed, 'hash')];
    expect(similar.usedBytes).toBeLessThanOrEqual(hashed.usedBytes);
  });

  it('takes the same course with the same seed', async () => {
    const size = { nodes: 5, functions: 50 };
    expect(await refusalsOf(size, 7)).toEqual(await refusalsOf(size, 7));
  });
});

describe('simulated time', () => {
  it('lets everything happen in order, what is asked for meanwhile included', async () => {
    const random = fractionsFrom(testSeed());
    const events = new Events();
    const seen: number[] = [];
    const happen = (): void => {
      seen.push(events.nowMs);
      if (seen.length < 1_000) events.after(random() * 10, happen);
    };
    for (let count = 0; count < 50; count += 1) events.at(random() * 100, happen);
    await events.run(1_000_000);
    expect(seen.length).toBeGreaterThanOrEqual(1_000);
    expect(seen).toEqual([...seen].sort((one, other) => one - other));
  });

  it('shares processors evenly, a neighbour counted', async () => {
    const events = new Events();
    const processors = new Processors(events, 2);
    const done: number[] = [];
    for (let count = 0; count < 4; count += 1) processors.run(100, 1, () => done.push(events.nowMs));
    await events.run(150);
    processors.neighbour = 4;
    await events.run(1_000);
    // 75 of 100 at half speed by then; the rest at a quarter.
    expect(done).toEqual([250, 250, 250, 250]);
  });
});
