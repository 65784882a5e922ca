/** Factors on the rate: for each plan that fell short, for each that did not, and at most. */
const RISE = 1.2;
const FALL = 0.995;
const MAX = 3;

/**
 * How much more than its rate a group is planned for. Where demand has started instances although the plan served the
 * rate, requests come or run more unevenly than the utilisation allows for: the group gets headroom, and loses it
 * slowly. Without it such instances would be surplus, end, and be started again. Pure.
 */
export class Headroom {
  readonly #utilisation: number;
  #factor = 1;
  /** What the last plan left: instances, and the rate that they were to serve. */
  #planned = { instances: 0, rate: 0 };

  /** @param utilisation share of its rate that an instance is planned to serve */
  constructor(utilisation: number) {
    this.#utilisation = utilisation;
  }

  /** Rate to plan for, per rate that comes. @param living instances now */
  factor(rate: number, living: number): number {
    const wasShort = living > this.#planned.instances && rate / this.#utilisation <= this.#planned.rate;
    this.#factor = wasShort ? Math.min(MAX, this.#factor * RISE) : Math.max(1, this.#factor * FALL);
    return this.#factor / this.#utilisation;
  }

  planned(instances: number, rate: number): void {
    this.#planned = { instances, rate };
  }
}
