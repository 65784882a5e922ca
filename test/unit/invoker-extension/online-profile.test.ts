import { OnlineProfile, shapesUpTo } from '../../../invoker-extension/src/scaling/online-profile';
import type { ProfileRow } from '../../../invoker-extension/src/scaling/profile';

const MB = 1024 ** 2;
const OPTIONS = {
  shapes: shapesUpTo(2, 2),
  shapesMax: 6,
  samples: 40,
  samplesMin: 10,
  drift: 0.2,
  forgetAfter: 100_000,
  unknownBytes: 64 * MB,
};
const ONE = { cpu: 1, concurrency: 1, batch: 1 };
const TWO = { cpu: 2, concurrency: 2, batch: 1 };

const given = (latencyMs: number, batch: number): ProfileRow => ({
  ...ONE,
  batch,
  latencyMs,
  privateBytes: 50 * MB,
});

function ran(subject: OnlineProfile, times: number, executionMs: number, shape = ONE): void {
  for (let count = 0; count < times; count += 1) subject.ran(shape, executionMs);
}

const rowOf = (subject: OnlineProfile, shape = ONE) =>
  subject.rows().find((row) => row.concurrency === shape.concurrency && row.batch === shape.batch);

describe('OnlineProfile', () => {
  it('knows nothing until enough executions were seen, then learns the shape and marks its neighbours as estimates', () => {
    const subject = new OnlineProfile(OPTIONS);
    ran(subject, 9, 20);
    expect(subject.rows()).toEqual([]);
    ran(subject, 1, 20);
    subject.measured(ONE, 60 * MB);
    expect(subject.rows().map(({ concurrency, batch, source }) => [concurrency, batch, source])).toEqual([
      [1, 1, 'learned'],
      [1, 2, 'estimated'],
      [2, 1, 'estimated'],
      [2, 2, 'estimated'],
    ]);
    expect(rowOf(subject)).toMatchObject({ latencyMs: 20, privateBytes: 60 * MB });
  });

  it('estimates more workers at more memory and the same time, larger batches at more time', () => {
    const subject = new OnlineProfile(OPTIONS);
    ran(subject, 10, 20);
    const [one, workers, batch] = [rowOf(subject), rowOf(subject, TWO), rowOf(subject, { ...ONE, batch: 2 })];
    expect(workers?.latencyMs).toBe(one?.latencyMs);
    expect(workers?.privateBytes).toBeGreaterThan(one?.privateBytes ?? 0);
    expect(batch?.latencyMs).toBeGreaterThan(20);
    expect(batch?.latencyMs).toBeLessThan(40);
  });

  it('takes small batches to be no cheaper by request than larger ones, which are seen under load', () => {
    const subject = new OnlineProfile(OPTIONS);
    ran(subject, 10, 20);
    ran(subject, 10, 60, { ...ONE, batch: 2 });
    expect(rowOf(subject)).toMatchObject({ latencyMs: 30, meanMs: 30 });
    // What larger batches save is believed.
    ran(subject, 40, 30, { ...ONE, batch: 2 });
    expect(rowOf(subject)).toMatchObject({ latencyMs: 20, meanMs: 20 });
  });

  it('believes the tail, not the median', () => {
    const subject = new OnlineProfile(OPTIONS);
    for (let count = 0; count < 40; count += 1) subject.ran(ONE, count % 10 === 0 ? 90 : 20);
    expect(rowOf(subject)?.latencyMs).toBe(90);
    // Throughput follows from all of them.
    expect(rowOf(subject)?.meanMs).toBeCloseTo(27, 6);
  });

  it('keeps what is believed through noise, and follows a drift', () => {
    const subject = new OnlineProfile(OPTIONS);
    ran(subject, 40, 20);
    ran(subject, 40, 22);
    expect(rowOf(subject)?.latencyMs).toBe(20);
    ran(subject, 40, 40);
    expect(rowOf(subject)?.latencyMs).toBe(40);
    ran(subject, 40, 10);
    expect(rowOf(subject)?.latencyMs).toBe(10);
  });

  it('takes given figures at once, and moves all of them when one that serves turns out slower', () => {
    const subject = new OnlineProfile({ ...OPTIONS, shapes: [] }, [given(20, 1), given(30, 2), given(60, 4)]);
    expect(subject.rows().map(({ latencyMs, source }) => [latencyMs, source])).toEqual([
      [20, 'given'],
      [30, 'given'],
      [60, 'given'],
    ]);
    ran(subject, 40, 40);
    expect(subject.rows().map(({ latencyMs, source }) => [latencyMs, source])).toEqual([
      [40, 'learned'],
      [60, 'given'],
      [120, 'given'],
    ]);
  });

  it('forgets what it has learned of a shape that others have long been executed in place of', () => {
    const subject = new OnlineProfile({ ...OPTIONS, forgetAfter: 100 });
    const two = { ...ONE, batch: 2 };
    ran(subject, 40, 900, two);
    ran(subject, 100, 20);
    expect(rowOf(subject, two)).toMatchObject({ latencyMs: 900, source: 'learned' });
    ran(subject, 1, 20);
    expect(rowOf(subject, two)).toMatchObject({ latencyMs: 34, source: 'estimated' });
    ran(subject, 10, 30, two);
    expect(rowOf(subject, two)).toMatchObject({ latencyMs: 30, source: 'learned' });
  });

  it('smooths measured memory, which replaces the given figure', () => {
    const subject = new OnlineProfile(OPTIONS, [given(20, 1)]);
    subject.measured(ONE, 100 * MB);
    subject.measured(ONE, 200 * MB);
    expect(rowOf(subject)?.privateBytes).toBeCloseTo(130 * MB, 0);
  });

  it('keeps no more shapes and times than its bounds', () => {
    const subject = new OnlineProfile({ ...OPTIONS, shapes: [] });
    for (let batch = 1; batch <= 100; batch += 1) ran(subject, 100, 20, { ...ONE, batch });
    expect(subject.rows()).toHaveLength(6);
  });

  it('bad call: a time or size that is none changes nothing', () => {
    const subject = new OnlineProfile(OPTIONS);
    for (const value of [0, -1, Number.NaN]) {
      ran(subject, 20, value);
      subject.measured(ONE, value);
    }
    expect(subject.rows()).toEqual([]);
  });
});
