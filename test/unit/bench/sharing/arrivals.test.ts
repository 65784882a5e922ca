import { parseTrace, poissonArrivals, SYNTHETIC_TRACES, tracePhases } from '../../../../bench/src/sharing/arrivals';

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function variation(values: readonly number[]): number {
  const center = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - center) ** 2))) / center;
}

describe('poissonArrivals', () => {
  const minute = [{ durationMs: 60_000, rate: 100 }];

  it('gives the same times for the same seed, and others for another', () => {
    expect(poissonArrivals(minute, 1)).toEqual(poissonArrivals(minute, 1));
    expect(poissonArrivals(minute, 1)).not.toEqual(poissonArrivals(minute, 2));
  });

  it.each([1, 2, 3])('has the mean rate and the exponential gaps of its process (seed %i)', (seed) => {
    const times = poissonArrivals(minute, seed);
    // Five standard deviations of a Poisson variable with mean 6000.
    expect(Math.abs(times.length - 6_000)).toBeLessThan(5 * Math.sqrt(6_000));
    const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(0);
    expect(variation(gaps)).toBeGreaterThan(0.9);
    expect(variation(gaps)).toBeLessThan(1.1);
  });

  it('follows the rate from phase to phase, and is silent where it is zero', () => {
    const phases = [
      { durationMs: 10_000, rate: 20 },
      { durationMs: 10_000, rate: 0 },
      { durationMs: 10_000, rate: 200 },
    ];
    const times = poissonArrivals(phases, 4);
    const between = (from: number, to: number): number => times.filter((time) => time >= from && time < to).length;
    expect(Math.abs(between(0, 10_000) - 200)).toBeLessThan(5 * Math.sqrt(200));
    expect(between(10_000, 20_000)).toBe(0);
    expect(Math.abs(between(20_000, 30_000) - 2_000)).toBeLessThan(5 * Math.sqrt(2_000));
  });

  it('is empty where nothing is to come', () => {
    expect(poissonArrivals([], 1)).toEqual([]);
    expect(poissonArrivals([{ durationMs: 1_000, rate: 0 }], 1)).toEqual([]);
  });
});

describe('traces', () => {
  it('are scaled to their peak and to the time', () => {
    expect(tracePhases([1, 4, 0], 100, 3_000)).toEqual([
      { durationMs: 1_000, rate: 25 },
      { durationMs: 1_000, rate: 100 },
      { durationMs: 1_000, rate: 0 },
    ]);
  });

  it('are read with one rate a line', () => {
    expect(parseTrace('0.5\r\n2\n0\n')).toEqual([0.5, 2, 0]);
  });

  it.each([
    ['1\ntwo\n', "line 2 of the trace is no rate: 'two'"],
    ['1\n\n2', "line 2 of the trace is no rate: ''"],
    ['-1', "line 1 of the trace is no rate: '-1'"],
    ['', "line 1 of the trace is no rate: ''"],
    ['0\n0', 'the trace has no rate above zero'],
  ])('bad call: %j is refused', (text, message) => {
    expect(() => parseTrace(text)).toThrow(new RangeError(message));
  });

  it('that are made vary like published ones', () => {
    for (const rates of [SYNTHETIC_TRACES.bursty(7), SYNTHETIC_TRACES.periodic()]) {
      expect(Math.min(...rates)).toBeGreaterThanOrEqual(0);
      expect(variation(rates)).toBeGreaterThan(0.75);
      expect(variation(rates)).toBeLessThan(1.25);
    }
  });
});
