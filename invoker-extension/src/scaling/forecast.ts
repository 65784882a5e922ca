/**
 * Arrivals to come, from the frequencies in past arrivals, after IceBreaker (ASPLOS '22): the strongest harmonics of
 * the last `samples` counts, continued. Pure.
 */

export interface ForecastOptions {
  /** Width of a sample, ms. */
  sampleMs: number;
  /** Samples looked back on. */
  samples: number;
  /** Harmonics that are kept; the rest is taken for noise. */
  harmonics: number;
  /** Samples looked ahead: an instance takes time to start. */
  ahead: number;
  /** Fewer arrivals in a sample than this are none. */
  arrivalsMin: number;
}

export class ArrivalForecast {
  readonly #options: ForecastOptions;
  /** Counts of full samples, oldest first; at most `samples`. */
  #counts: number[] = [];
  #current = 0;
  #sampleStartMs: number;

  constructor(options: ForecastOptions, nowMs: number) {
    this.#options = options;
    this.#sampleStartMs = nowMs;
  }

  arrived(nowMs: number, count = 1): void {
    this.#roll(nowMs);
    this.#current += count;
  }

  /**
   * Arrivals expected in the sample that lies `ahead` samples after the last full one (1 = the one under way). Zero
   * until half of the look-back is filled: a forecast from less repeats the past by chance.
   */
  expected(ahead: number, nowMs: number): number {
    this.#roll(nowMs);
    if (this.#counts.length < this.#options.samples / 2) return 0;
    return Math.max(0, extrapolate(this.#counts, this.#options.harmonics, this.#counts.length - 1 + ahead));
  }

  /** Most requests per second in one of the samples looked ahead. */
  rate(nowMs: number): number {
    const { ahead, arrivalsMin, sampleMs } = this.#options;
    const most = Math.max(...Array.from({ length: ahead }, (_, at) => this.expected(at + 1, nowMs)));
    return most < arrivalsMin ? 0 : (1000 * most) / sampleMs;
  }

  #roll(nowMs: number): void {
    const { sampleMs, samples } = this.#options;
    const elapsed = Math.floor((nowMs - this.#sampleStartMs) / sampleMs);
    if (elapsed <= 0) return;
    this.#counts.push(this.#current);
    for (let index = 0; index < Math.min(elapsed - 1, samples); index += 1) this.#counts.push(0);
    this.#counts = this.#counts.slice(-samples);
    this.#current = 0;
    this.#sampleStartMs += elapsed * sampleMs;
  }
}

/** The value at `at` of the mean plus the `kept` strongest harmonics of the series. */
function extrapolate(series: readonly number[], kept: number, at: number): number {
  const length = series.length;
  const mean = series.reduce((sum, value) => sum + value, 0) / length;
  const waves: { amplitude: number; phase: number; frequency: number }[] = [];
  for (let harmonic = 1; harmonic < length / 2; harmonic += 1) {
    const frequency = (2 * Math.PI * harmonic) / length;
    let real = 0;
    let imaginary = 0;
    for (const [index, value] of series.entries()) {
      real += (value - mean) * Math.cos(frequency * index);
      imaginary -= (value - mean) * Math.sin(frequency * index);
    }
    waves.push({
      amplitude: (2 * Math.hypot(real, imaginary)) / length,
      phase: Math.atan2(imaginary, real),
      frequency,
    });
  }
  return waves
    .sort((one, other) => other.amplitude - one.amplitude)
    .slice(0, kept)
    .reduce((sum, { amplitude, phase, frequency }) => sum + amplitude * Math.cos(frequency * at + phase), mean);
}
