/** Random numbers of the distributions that simulations draw from; one seed, one sequence. */
import { Random } from '../models/random';

export class Draws {
  readonly #random: Random;
  readonly #value = new Float32Array(1);

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** In [0, 1). */
  readonly uniform = (): number => {
    this.#random.fill(this.#value, { center: 0.5, limit: 0.5 });
    return Math.min(this.#value[0] ?? 0, 0.999_999);
  };

  between(low: number, high: number): number {
    return low + this.uniform() * (high - low);
  }

  chance(share: number): boolean {
    return this.uniform() < share;
  }

  exponential(mean: number): number {
    return mean * -Math.log(1 - this.uniform());
  }

  /** Around a median; `sigma` is the deviation of the logarithm. */
  logNormal(median: number, sigma: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
    return median * Math.exp(sigma * normal);
  }

  /** At least `least`, and cut off at `most`: the smaller `alpha`, the heavier the tail. */
  pareto(least: number, alpha: number, most: number): number {
    return Math.min(most, least * (1 - this.uniform()) ** (-1 / alpha));
  }

  /** An index below the number of weights, each as often as it weighs. */
  picker(weights: readonly number[]): () => number {
    const cumulative = new Float64Array(weights.length);
    let sum = 0;
    weights.forEach((weight, at) => (cumulative[at] = sum += weight));
    return () => {
      const wanted = this.uniform() * sum;
      let low = 0;
      let high = weights.length - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if ((cumulative[middle] ?? 0) < wanted) low = middle + 1;
        else high = middle;
      }
      return low;
    };
  }
}

/** Weights of ranks, the first the most popular. */
export const zipf = (count: number, exponent: number): number[] =>
  Array.from({ length: count }, (_, rank) => (rank + 1) ** -exponent);
