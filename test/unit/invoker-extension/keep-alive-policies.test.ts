import { ArrivalForecast } from '../../../invoker-extension/src/scaling/forecast';
import { GreedyDualKeepAlive } from '../../../invoker-extension/src/scaling/greedy-dual';
import { HistogramKeepAlive } from '../../../invoker-extension/src/scaling/idle-histogram';

const MB = 1024 ** 2;
const idle = (group: string, more: Partial<{ idleSinceMs: number; bytes: number; startMs: number }> = {}) => ({
  group,
  idleSinceMs: 0,
  bytes: 32 * MB,
  startMs: 500,
  ...more,
});

describe('HistogramKeepAlive', () => {
  const options = { binMs: 1000, bins: 12, percentile: 0.99, samplesMin: 5, fallbackMs: 600_000, groupsMax: 2 };

  it('keeps an instance as long as nearly all gaps of its action were', () => {
    const policy = new HistogramKeepAlive(options);
    for (let arrival = 0; arrival < 100; arrival += 1) policy.arrived('steady', arrival * 3000);
    // Gaps of 3 s lie in the bin that ends at 4 s.
    expect(policy.keepMs(idle('steady'))).toBe(4000);
  });

  it('falls back while it knows too little, and where gaps are longer than it can hold', () => {
    const policy = new HistogramKeepAlive(options);
    policy.arrived('new', 0);
    expect(policy.keepMs(idle('new'))).toBe(600_000);
    for (let arrival = 0; arrival < 20; arrival += 1) policy.arrived('rare', arrival * 86_400_000);
    expect(policy.keepMs(idle('rare'))).toBe(600_000);
  });

  it('forgets the action not seen for longest at its bound', () => {
    const policy = new HistogramKeepAlive(options);
    for (let arrival = 0; arrival < 10; arrival += 1) policy.arrived('first', arrival * 1000);
    policy.arrived('second', 10_000);
    policy.arrived('third', 10_001);
    expect(policy.keepMs(idle('first'))).toBe(600_000);
  });
});

describe('GreedyDualKeepAlive', () => {
  const options = { keepMsMax: 3_600_000, groupsMax: 100 };

  it('values what is used often, costly to start and small', () => {
    const policy = new GreedyDualKeepAlive(options);
    for (let count = 0; count < 10; count += 1) policy.arrived('often');
    policy.arrived('seldom');
    expect(policy.priority(idle('often'))).toBeGreaterThan(policy.priority(idle('seldom')));
    expect(policy.priority(idle('seldom', { startMs: 5000 }))).toBeGreaterThan(policy.priority(idle('seldom')));
    expect(policy.priority(idle('seldom', { bytes: 512 * MB }))).toBeLessThan(policy.priority(idle('seldom')));
  });

  it('ages what was popular once: the clock rises to what left', () => {
    const policy = new GreedyDualKeepAlive(options);
    for (let count = 0; count < 50; count += 1) policy.arrived('once popular');
    for (let round = 0; round < 100; round += 1) {
      policy.arrived(`passing ${round}`);
      policy.evicted(idle(`passing ${round}`));
    }
    policy.arrived('today');
    expect(policy.priority(idle('today'))).toBeGreaterThan(policy.priority(idle('once popular')));
  });
});

describe('ArrivalForecast', () => {
  const options = { sampleMs: 60_000, samples: 120, harmonics: 8, ahead: 2, arrivalsMin: 0.5 };

  it('expects the next burst of a periodic action and the silence between bursts', () => {
    const forecast = new ArrivalForecast(options, 0);
    // A burst of 30 in every tenth minute.
    for (let minute = 0; minute < 120; minute += 1) {
      if (minute % 10 === 0) forecast.arrived(minute * 60_000 + 1, 30);
    }
    const nowMs = 120 * 60_000;
    expect(forecast.expected(1, nowMs)).toBeGreaterThan(15);
    for (const ahead of [4, 5, 6, 7]) expect(forecast.expected(ahead, nowMs)).toBeLessThan(10);
    expect(forecast.expected(11, nowMs)).toBeGreaterThan(15);
  });

  it('expects nothing from too short a past, and never less than nothing', () => {
    const forecast = new ArrivalForecast(options, 0);
    forecast.arrived(1, 100);
    expect(forecast.expected(1, 60_000)).toBe(0);
    expect(forecast.expected(1, 1e9)).toBeGreaterThanOrEqual(0);
  });
});
