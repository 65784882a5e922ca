import { type CleanupFailure, Cleanups } from '../../../tensor-daemon/src/store/cleanups';

describe('Cleanups', () => {
  let nowMs = 0;
  let reports: CleanupFailure[];
  let cleanups: Cleanups;
  let fails: number;
  let calls: number;
  beforeEach(() => {
    [nowMs, reports, fails, calls] = [0, [], 0, 0];
    const report = (failure: CleanupFailure): void => void reports.push(failure);
    cleanups = new Cleanups({ cleanupAttemptsMax: 3, cleanupRetryMs: 100 }, report, () => nowMs);
  });
  const work = (): void => {
    calls++;
    if (fails-- > 0) throw new Error('EIO');
  };
  const later = (ms: number): Promise<void> => cleanups.retry((nowMs = ms));

  it('does what works once', async () => {
    expect(await cleanups.attempt('a', work)).toBe(true);
    await later(1_000);
    expect([calls, cleanups.pending, reports]).toEqual([1, 0, []]);
  });

  it('tries again what has failed, after pauses that double, until it works', async () => {
    fails = 2;
    expect(await cleanups.attempt('a', work)).toBe(false);
    for (const [ms, expected] of [
      [99, 1],
      [100, 2],
      [299, 2],
      [300, 3],
    ] as const) {
      await later(ms);
      expect([ms, calls]).toEqual([ms, expected]);
    }
    expect([cleanups.pending, cleanups.has('a')]).toEqual([0, false]);
    expect(reports.map(({ attempts, abandoned }) => [attempts, abandoned])).toEqual([
      [1, false],
      [2, false],
    ]);
  });

  it('abandons what has failed as often as it may, and says so', async () => {
    fails = 9;
    await cleanups.attempt('a', work);
    for (const ms of [100, 300, 10_000]) await later(ms);
    expect([calls, cleanups.pending]).toEqual([3, 0]);
    expect(reports.at(-1)).toEqual({ key: 'a', reason: 'EIO', attempts: 3, abandoned: true });
  });

  it('is done where the same is done by another attempt', async () => {
    fails = 1;
    await cleanups.attempt('a', work);
    await cleanups.attempt('a', work);
    await later(1_000);
    expect([calls, cleanups.pending]).toEqual([2, 0]);
  });
});
