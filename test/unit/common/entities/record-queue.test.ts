import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { createLogger, PluginError } from '@tetris/common';
import { RecordQueue, type StoreBatch, type Stored } from '../../../../common/src/entities/record-queue';
import { ManualClock } from '../../../support/manual-clock';

const log = createLogger('test', 'silent');
const LIMITS = { queueRecordsMax: 100, queueBytesMax: 10_000, recordTtlMs: 60_000 };
const away = new PluginError('ERR_STORE_UNAVAILABLE', 'away', { retriable: true });
const invalid = new PluginError('ERR_DOCUMENT_INVALID', 'too large');

/** A database that answers call by call; after the last answer everything is stored. */
function database(...answers: ((documents: unknown[]) => Stored[])[]) {
  const stored: unknown[] = [];
  const calls: number[] = [];
  const store: StoreBatch = async (documents) => {
    calls.push(documents.length);
    const outcomes = answers.shift()?.(documents) ?? documents.map(() => 'stored' as const);
    stored.push(...documents.filter((_document, index) => outcomes[index] === 'stored'));
    return outcomes;
  };
  return { store, stored, calls };
}

const failing = (error: Error) => (): Stored[] => {
  throw error;
};

describe('RecordQueue', () => {
  it('stores what was added in one tick together', async () => {
    const { store, stored, calls } = database();
    const queue = new RecordQueue(store, LIMITS, log);
    for (const id of [1, 2, 3]) queue.add({ id });
    await queue.flush();
    expect(stored).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
    expect(calls).toEqual([3]);
  });

  it('keeps records while the database is away, or lets nobody in, and counts none as lost', async () => {
    const clock = new ManualClock();
    const { store, stored } = database(failing(away), failing(away), () => ['again', 'stored']);
    const queue = new RecordQueue(store, LIMITS, log, clock);
    queue.add({ id: 1 });
    queue.add({ id: 2 });
    await queue.flush();
    expect(stored).toEqual([{ id: 2 }, { id: 1 }]);
    expect(clock.slept).toEqual([100, 200, 400]);
    expect(queue.dropped).toBe(0);
  });

  it('expected failure: drops a record when its time is up, and no younger one', async () => {
    const clock = new ManualClock();
    const { store, stored } = database(...Array.from({ length: 8 }, () => failing(away)));
    const queue = new RecordQueue(store, { ...LIMITS, recordTtlMs: 3_000 }, log, clock);
    queue.add({ id: 'old' });
    const sleep = clock.sleep;
    Object.assign(clock, {
      sleep: async (ms: number) => {
        if (ms === 800) queue.add({ id: 'young' });
        await sleep(ms);
      },
    });
    await queue.flush();
    expect(stored).toEqual([]);
    expect(queue.dropped).toBe(2);
    expect(clock.nowMs).toBeGreaterThan(3_000 + 700);
  });

  it('expected failure: drops what is refused for good, alone', async () => {
    const { store, stored } = database(
      failing(invalid),
      () => ['stored'],
      failing(invalid),
      () => [{ refused: 'forbidden: no' }],
    );
    const queue = new RecordQueue(store, LIMITS, log);
    for (const id of [1, 2, 3, 4]) queue.add({ id });
    await queue.flush();
    expect(stored).toEqual([{ id: 1 }, { id: 4 }]);
    expect(queue.dropped).toBe(2);
  });

  it('expected failure: drops and counts what it cannot hold, by number and by bytes, and what comes after its end', async () => {
    const { store, stored } = database();
    const queue = new RecordQueue(store, { ...LIMITS, queueRecordsMax: 2, queueBytesMax: 100 }, log);
    for (const id of [1, 2, 3]) queue.add({ id });
    await queue.flush();
    queue.add({ text: 'x'.repeat(101) });
    queue.add({ text: 'x'.repeat(80) });
    await queue.flush();
    expect([stored.length, queue.dropped]).toEqual([3, 2]);
    await queue.close(1_000);
    queue.add({ id: 'late' });
    expect(queue.dropped).toBe(3);
  });

  it('ends when it promised to, though the database neither answers nor heeds the signal', async () => {
    let aborted = false;
    const store: StoreBatch = async (_documents, signal) => {
      signal.addEventListener('abort', () => (aborted = true));
      return new Promise(() => undefined);
    };
    const queue = new RecordQueue(store, LIMITS, log);
    for (let id = 0; id < 5; id += 1) queue.add({ id });
    const closed = queue.close(20).then(() => 'closed');
    expect(await Promise.race([closed, delay(4_000, 'late', { ref: false })])).toBe('closed');
    expect([aborted, queue.dropped]).toEqual([true, 5]);
  });

  it('ends at once in the pause between two tries, and tries nothing afterwards', async () => {
    const { store, calls } = database(...Array.from({ length: 99 }, () => failing(away)));
    const queue = new RecordQueue(store, LIMITS, log);
    queue.add({ id: 1 });
    await queue.close(20);
    const before = calls.length;
    await delay(10);
    expect([calls.length, queue.dropped]).toEqual([before, 1]);
  });

  it('stores or counts each record once, whatever the database does', async () => {
    const answer = fc.constantFrom<'stored' | 'again' | 'refused' | 'away' | 'invalid'>(
      'stored',
      'again',
      'refused',
      'away',
      'invalid',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(answer, { maxLength: 30 }), fc.integer({ min: 1, max: 30 }), async (answers, count) => {
        const scripted = answers.map((kind) => (documents: unknown[]): Stored[] => {
          if (kind === 'away') throw away;
          if (kind === 'invalid') throw invalid;
          return documents.map((_document, index) => {
            if (index % 2 === 0 || kind === 'stored') return 'stored';
            return kind === 'again' ? 'again' : { refused: 'no' };
          });
        });
        const { store, stored } = database(...scripted);
        const queue = new RecordQueue(store, { ...LIMITS, recordTtlMs: 20_000 }, log, new ManualClock());
        for (let id = 0; id < count; id += 1) queue.add({ id });
        await queue.flush();
        expect(new Set(stored).size).toBe(stored.length);
        expect(stored.length + queue.dropped).toBe(count);
      }),
      { numRuns: 300 },
    );
  });
});
