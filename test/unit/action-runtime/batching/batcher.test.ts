import { randomFrom } from '../../../support/random';
import { Batcher, type Room, type Waiting } from '../../../../action-runtime/src/batching/batcher';

const PACE = { lullWaits: 4, overdueGaps: 2, alike: 0.05, freshRuns: 64 };

const request = (value: number, given: Partial<Waiting<number>> = {}): Waiting<number> => ({
  key: 'a',
  rows: 1,
  bytes: 4,
  arrivedMs: 0,
  dueMs: Infinity,
  deadlineMs: Infinity,
  value,
  ...given,
});
const always = (): Room => 'idle';
const busy = (): Room => 'ahead';
const values = (batch: readonly Waiting<number>[]): number[] => batch.map(({ value }) => value);

/** A batcher that has seen requests of key `a` every `gapMs` up to time 0, and none waits. Joining saves 50 ms each. */
function paced(gapMs: number, options = { rowsMax: 4, bytesMax: Infinity, waitMs: 20, pace: PACE }): Batcher<number> {
  const batcher = new Batcher<number>(options);
  for (let back = 8; back >= 1; back -= 1) batcher.add(request(-back, { arrivedMs: -back * gapMs }));
  while (batcher.length > 0) batcher.take(Number.MAX_SAFE_INTEGER, always);
  for (let rows = 1; rows <= options.rowsMax; rows += 1) batcher.finished('a', rows, 50 + rows);
  return batcher;
}

describe('a batcher', () => {
  it('joins what waits while every worker is busy, in order and up to the largest batch', () => {
    const batcher = new Batcher<number>({ rowsMax: 4, bytesMax: Infinity, waitMs: 0, pace: PACE });
    for (let value = 0; value < 6; value += 1) batcher.add(request(value));
    expect(batcher.take(5, () => 'none')).toEqual([]);
    expect(values(batcher.take(5, always))).toEqual([0, 1, 2, 3]);
    expect(values(batcher.take(5, always))).toEqual([4, 5]);
    expect(batcher.length).toBe(0);
  });

  it('joins no more bytes than its bound, nor waits for what it would not join', () => {
    const batcher = paced(5, { rowsMax: 8, bytesMax: 100, waitMs: 20, pace: PACE });
    for (let value = 0; value < 4; value += 1) batcher.add(request(value, { bytes: 40 }));
    batcher.add(request(4, { bytes: 400 }));
    expect(values(batcher.take(0, always))).toEqual([0, 1]);
    expect(values(batcher.take(0, always))).toEqual([2, 3]);
    expect(values(batcher.take(0, always))).toEqual([4]);
  });

  it('keeps requests of other keys, and those without one, apart', () => {
    const batcher = new Batcher<number>({ rowsMax: 4, bytesMax: Infinity, waitMs: 0, pace: PACE });
    const keys = ['a', 'b', undefined, 'a', undefined, 'b'];
    keys.forEach((key, value) => batcher.add(request(value, { key })));
    const taken = Array.from({ length: 4 }, () => values(batcher.take(0, always)));
    expect(taken).toEqual([[0, 3], [1, 5], [2], [4]]);
  });

  it('counts the rows that a request brings, and runs one that brings too many alone', () => {
    const batcher = new Batcher<number>({ rowsMax: 4, bytesMax: Infinity, waitMs: 0, pace: PACE });
    [3, 2, 1, 9].forEach((rows, value) => batcher.add(request(value, { rows })));
    expect(values(batcher.take(0, always))).toEqual([0]);
    expect(values(batcher.take(0, always))).toEqual([1, 2]);
    expect(values(batcher.take(0, always))).toEqual([3]);
  });

  it('runs the first requests at once, as long as no pace is known', () => {
    const batcher = new Batcher<number>({ rowsMax: 4, bytesMax: Infinity, waitMs: 1000, pace: PACE });
    batcher.add(request(1));
    expect(values(batcher.take(0, always))).toEqual([1]);
  });

  it('holds a batch back while mates come soon, until it is full', () => {
    const batcher = paced(5);
    batcher.add(request(0));
    expect(batcher.take(0, always)).toEqual([]);
    expect(batcher.wakeAtMs).toBeGreaterThan(0);
    expect(batcher.wakeAtMs).toBeLessThanOrEqual(20);
    for (const value of [1, 2, 3]) batcher.add(request(value, { arrivedMs: value }));
    expect(values(batcher.take(3, always))).toEqual([0, 1, 2, 3]);
  });

  it('holds a batch back no longer than what a mate saves', () => {
    const batcher = paced(5);
    for (let run = 0; run < 100; run += 1) batcher.finished('a', 2, 90);
    batcher.add(request(0));
    expect(batcher.take(0, always)).toEqual([]);
    // 51 ms twice, less the 90 of a joint run.
    expect(batcher.wakeAtMs).toBeLessThanOrEqual(12);
    expect(values(batcher.take(12, always))).toEqual([0]);
  });

  it('gives up waiting when the mates stay away', () => {
    const batcher = paced(5);
    batcher.add(request(0));
    expect(batcher.take(1, always)).toEqual([]);
    expect(values(batcher.take(batcher.wakeAtMs, always))).toEqual([0]);
  });

  it('does not wait where mates come too seldom', () => {
    const batcher = paced(50);
    batcher.add(request(0));
    expect(values(batcher.take(0, always))).toEqual([0]);
  });

  it('never waits past what the oldest can afford: its due time less the execution', () => {
    const batcher = paced(5, { rowsMax: 4, bytesMax: Infinity, waitMs: 1000, pace: PACE });
    for (let run = 0; run < 100; run += 1) for (const rows of [1, 2]) batcher.finished('a', rows, 20 + 10 * rows);
    batcher.add(request(0, { dueMs: 47 }));
    expect(batcher.take(0, always)).toEqual([]);
    expect(batcher.wakeAtMs).toBeCloseTo(7, 6);
    expect(values(batcher.take(7, always))).toEqual([0]);
  });

  it('makes the batch no larger than what the oldest can afford', () => {
    const batcher = new Batcher<number>({ rowsMax: 8, bytesMax: Infinity, waitMs: 0, pace: PACE });
    batcher.finished('a', 1, 10);
    for (let value = 0; value < 6; value += 1) batcher.add(request(value, { dueMs: value === 0 ? 35 : 500 }));
    expect(values(batcher.take(0, always))).toEqual([0, 1, 2]);
  });

  it('joins all the more when the oldest is late whatever happens', () => {
    const batcher = new Batcher<number>({ rowsMax: 8, bytesMax: Infinity, waitMs: 0, pace: PACE });
    batcher.finished('a', 1, 10);
    for (let value = 0; value < 6; value += 1) batcher.add(request(value, { dueMs: 5 }));
    expect(values(batcher.take(0, always))).toHaveLength(6);
  });

  it('lets another key run while one is held back', () => {
    const batcher = paced(5);
    batcher.add(request(0));
    batcher.add(request(1, { key: 'b' }));
    expect(values(batcher.take(0, always))).toEqual([1]);
    expect(batcher.length).toBe(1);
  });

  it('gives a full batch, and no other, to a worker that is busy', () => {
    const batcher = new Batcher<number>({ rowsMax: 4, bytesMax: Infinity, waitMs: 0, pace: PACE });
    for (let value = 0; value < 6; value += 1) batcher.add(request(value));
    expect(values(batcher.take(0, busy))).toEqual([0, 1, 2, 3]);
    expect(batcher.take(0, busy)).toEqual([]);
    expect(values(batcher.take(0, always))).toEqual([4, 5]);
    batcher.add(request(6, { key: undefined }));
    expect(batcher.take(0, busy)).toEqual([]);
  });

  it('lets no full batch overtake an older request that waits for the same worker', () => {
    const batcher = new Batcher<number>({ rowsMax: 2, bytesMax: Infinity, waitMs: 0, pace: PACE });
    batcher.add(request(0));
    for (const value of [1, 2]) batcher.add(request(value, { key: 'b' }));
    expect(batcher.take(0, busy)).toEqual([]);
    expect(values(batcher.take(0, always))).toEqual([0]);
    expect(values(batcher.take(0, busy))).toEqual([1, 2]);
  });

  it('gives none ahead that would be too large for its oldest by the time it begins', () => {
    const batcher = new Batcher<number>({ rowsMax: 2, bytesMax: Infinity, waitMs: 0, pace: PACE });
    batcher.finished('a', 1, 8);
    batcher.finished('a', 2, 12);
    for (const value of [0, 1]) batcher.add(request(value, { dueMs: 20 }));
    expect(batcher.take(0, busy)).toEqual([]);
    expect(values(batcher.take(0, always))).toEqual([0, 1]);
  });

  describe('that knows what joining saves', () => {
    /** Time by rows, ms; each measured once. */
    const measured = (times: Readonly<Record<number, number>>, rowsMax = 8): Batcher<number> => {
      const batcher = new Batcher<number>({ rowsMax, bytesMax: Infinity, waitMs: 1000, pace: PACE });
      for (const [rows, ms] of Object.entries(times)) batcher.finished('a', Number(rows), ms);
      return batcher;
    };
    const waiting = (batcher: Batcher<number>, count: number, given: Partial<Waiting<number>> = {}): void => {
      for (let value = 0; value < count; value += 1) batcher.add(request(value, given));
    };

    it('joins no more than makes a request cheaper', () => {
      const batcher = measured({ 1: 24, 2: 32, 4: 39, 8: 93 });
      waiting(batcher, 8);
      expect(values(batcher.take(0, always))).toEqual([0, 1, 2, 3]);
      expect(values(batcher.take(0, always))).toEqual([4, 5, 6, 7]);
    });

    it('takes the smaller of two sizes that cost nearly the same', () => {
      const batcher = measured({ 1: 20, 2: 25.5, 4: 50, 8: 99 });
      waiting(batcher, 8);
      expect(values(batcher.take(0, always))).toEqual([0, 1]);
    });

    it('does not hold a batch back for mates that would save nothing', () => {
      const batcher = measured({ 1: 20, 2: 40 });
      for (let back = 8; back >= 1; back -= 1) batcher.add(request(-back, { arrivedMs: -back, rows: 9 }));
      for (let back = 8; back >= 1; back -= 1) expect(batcher.take(0, always)).toHaveLength(1);
      waiting(batcher, 1);
      expect(values(batcher.take(0, always))).toEqual([0]);
    });

    it('tries a size that was not measured', () => {
      const batcher = measured({ 1: 24, 2: 32, 4: 39 });
      waiting(batcher, 6);
      expect(values(batcher.take(0, always))).toHaveLength(6);
    });

    it('tries a size again that was measured long ago', () => {
      const batcher = measured({ 2: 90, 1: 20 });
      waiting(batcher, 2);
      expect(values(batcher.take(0, always))).toHaveLength(1);
      for (let run = 0; run < 128; run += 1) batcher.finished('a', 1, 20);
      batcher.add(request(2));
      expect(values(batcher.take(0, always))).toHaveLength(2);
    });

    it('gives a batch that is as large as is worth it to a busy worker, but never a single request', () => {
      const batcher = measured({ 1: 24, 2: 32, 4: 39, 8: 93 });
      waiting(batcher, 8);
      expect(values(batcher.take(0, busy))).toEqual([0, 1, 2, 3]);
      const alone = measured({ 1: 20, 2: 40 });
      waiting(alone, 2);
      expect(alone.take(0, busy)).toEqual([]);
    });

    it('cuts between requests that bring several rows', () => {
      const batcher = measured({ 1: 24, 2: 32, 4: 39, 8: 93 });
      waiting(batcher, 4, { rows: 2 });
      batcher.add(request(4, { rows: 4 }));
      expect(values(batcher.take(0, always))).toEqual([0, 1]);
      expect(values(batcher.take(0, always))).toEqual([2, 3]);
    });
  });

  it('gives up requests whose activation has ended', () => {
    const batcher = new Batcher<number>({ rowsMax: 4, bytesMax: Infinity, waitMs: 0, pace: PACE });
    batcher.add(request(0, { deadlineMs: 10 }));
    batcher.add(request(1));
    expect(batcher.wakeAtMs).toBe(10);
    expect(batcher.takeExpired(9)).toEqual([]);
    expect(batcher.takeExpired(10)).toEqual([0]);
    expect(values(batcher.take(10, always))).toEqual([1]);
  });

  it('never loses, repeats or overfills, and never holds back longer than it may, whatever comes', () => {
    const seed = Date.now() % 100_000;
    process.stdout.write(`seed ${seed}\n`);
    const random = randomFrom(seed);
    for (let round = 0; round < 50; round += 1) {
      const options = { rowsMax: 1 + random(8), bytesMax: Infinity, waitMs: random(30), pace: PACE };
      const batcher = new Batcher<number>(options);
      const sent: number[] = [];
      const seen: number[] = [];
      let nowMs = 0;
      for (let step = 0; step < 200 || batcher.length > 0; step += 1) {
        if (step < 200 && random(3) > 0) {
          const key = random(5) === 0 ? undefined : `k${random(3)}`;
          batcher.add(request(sent.length, { key, rows: 1 + random(3), arrivedMs: nowMs }));
          sent.push(sent.length);
        }
        if (random(3) === 0) {
          const ahead = batcher.take(nowMs, busy);
          expect(ahead).not.toHaveLength(1);
          seen.push(...values(ahead));
        }
        for (let batch = batcher.take(nowMs, always); batch.length > 0; batch = batcher.take(nowMs, always)) {
          expect(new Set(batch.map(({ key }) => key)).size).toBe(1);
          if (batch.length > 1) {
            expect(batch.reduce((rows, next) => rows + next.rows, 0)).toBeLessThanOrEqual(options.rowsMax);
          }
          for (const { arrivedMs } of batch) expect(nowMs - arrivedMs).toBeLessThanOrEqual(options.waitMs);
          seen.push(...values(batch));
          if (batch[0]?.key !== undefined) batcher.finished(batch[0].key, batch.length, 1 + random(5));
        }
        if (random(2) === 0 || step >= 200) nowMs += 1;
      }
      expect(seen.sort((one, other) => one - other)).toEqual(sent);
    }
  });
});
