import { offeredRate } from '../../../../bench/src/sharing/calibration';
import { serviceOf } from '../../../../bench/src/sharing/attainment';
import { type Clock, openLoop, type Outcome } from '../../../../bench/src/sharing/open-loop';

/** Time that passes when somebody sleeps, and not otherwise. */
class FakeClock implements Clock {
  #nowMs = 1_000;
  nowMs = (): number => this.#nowMs;
  sleep = async (ms: number): Promise<void> => {
    this.#nowMs += ms;
    await Promise.resolve();
  };
  pass(ms: number): void {
    this.#nowMs += ms;
  }
}

const TIMES = [0, 10, 20, 500, 510];

describe('openLoop', () => {
  it('sends every request when it is due although none is answered', async () => {
    const clock = new FakeClock();
    const sentMs: number[] = [];
    const outcomes = await openLoop({
      times: TIMES,
      send: () => {
        sentMs.push(clock.nowMs() - 1_000);
        return new Promise(() => undefined);
      },
      inFlightMax: 10,
      graceMs: 100,
      clock,
    });
    expect(sentMs).toEqual(TIMES);
    expect(outcomes).toEqual(TIMES.map((dueMs) => ({ dueMs, latencyMs: Infinity, ok: false })));
  });

  it('counts latency from when a request was due, though the sender was held up, and catches up', async () => {
    const clock = new FakeClock();
    const sentMs: number[] = [];
    const outcomes = await openLoop({
      times: TIMES,
      send: async (index) => {
        sentMs.push(clock.nowMs() - 1_000);
        if (index === 0) clock.pass(300);
        await Promise.resolve();
        return true;
      },
      inFlightMax: 10,
      graceMs: 100,
      clock,
    });
    expect(sentMs).toEqual([0, 300, 300, 500, 510]);
    expect(outcomes[1]?.latencyMs).toBeGreaterThanOrEqual(290);
    expect(outcomes.every(({ ok }) => ok)).toBe(true);
  });

  it('counts rejections, wrong answers and what is beyond the bound as not ok, and waits no longer', async () => {
    const clock = new FakeClock();
    let sent = 0;
    const outcomes = await openLoop({
      times: [0, 10, 20, 30],
      send: async (index) => {
        sent += 1;
        if (index === 0) throw new Error('refused');
        if (index === 1) return false;
        return new Promise(() => undefined);
      },
      inFlightMax: 1,
      graceMs: 50,
      clock,
    });
    expect(outcomes.map(({ ok }) => ok)).toEqual([false, false, false, false]);
    expect(outcomes[1]?.latencyMs).toBeLessThan(Infinity);
    expect(sent).toBe(3);
  });
});

describe('serviceOf', () => {
  const outcome = (dueMs: number, latencyMs: number, ok = true): Outcome => ({ dueMs, latencyMs, ok });

  it('counts late answers, wrong ones and those that never came as misses', () => {
    const outcomes = [
      outcome(0, 9_999),
      outcome(1_000, 100),
      outcome(1_500, 300),
      outcome(2_000, 301),
      outcome(2_500, 50, false),
      outcome(2_900, Infinity, false),
      outcome(3_000, 1),
    ];
    expect(serviceOf(outcomes, { fromMs: 1_000, toMs: 3_000 }, 300)).toEqual({
      requests: 5,
      sloAttainment: 0.4,
      errors: 2,
      throughput: 1.5,
      latencyMs: { p50: 300, p95: 301, p99: 301 },
    });
  });

  it('never rounds a miss away', () => {
    const outcomes = Array.from({ length: 30_000 }, (_, at) => outcome(at, at === 7 ? 301 : 1));
    expect(serviceOf(outcomes, { fromMs: 0, toMs: 30_000 }, 300).sloAttainment).toBeLessThan(1);
  });

  it('bad call: a time without requests is refused', () => {
    expect(() => serviceOf([outcome(0, 1)], { fromMs: 1, toMs: 2 }, 300)).toThrow(RangeError);
  });
});

describe('offeredRate', () => {
  it('is more than one request an instance achieves, and grows with what joining gains', () => {
    expect(offeredRate(100, 150)).toBeCloseTo(105);
    expect(offeredRate(100, 300)).toBeCloseTo(195);
  });

  it('never comes close to what joined requests achieve at most', () => {
    expect(offeredRate(100, 110)).toBeCloseTo(93.5);
  });
});
