/**
 * How many pulls an action has at once at one scheduler: all to begin with, since nobody knows how much is about to
 * come, halved by each that brings nothing, doubled by each that does. Pure.
 */
export interface PullBounds {
  /** Pulls at once. */
  pullsMax: number;
  /** Pulled and neither handed on nor answered; beyond it the rest waits at the scheduler. */
  pulledMax: number;
}

export class PullWindow {
  readonly #bounds: PullBounds;
  #size: number;
  #open = 0;
  #pulled = 0;

  constructor(bounds: PullBounds) {
    this.#bounds = bounds;
    this.#size = bounds.pullsMax;
  }

  /** Does anything that was pulled still wait to be handed on? */
  get hasPulled(): boolean {
    return this.#pulled > 0;
  }

  /** @param hasRoom is there room for more, of whichever action? One pull needs none where an action has nothing here. */
  mayOpen(hasRoom: boolean): boolean {
    const expected = this.#pulled + this.#open;
    return this.#open < this.#size && expected < this.#bounds.pulledMax && (expected === 0 || hasRoom);
  }

  opened(): void {
    this.#open += 1;
  }

  /** A pull has ended, whatever it brought. */
  ended(): void {
    this.#open -= 1;
  }

  pulled(): void {
    this.#pulled += 1;
  }

  handedOn(): void {
    this.#pulled -= 1;
  }

  grow(): void {
    this.#size = Math.min(2 * this.#size, this.#bounds.pullsMax);
  }

  shrink(): void {
    this.#size = Math.max(1, Math.floor(this.#size / 2));
  }

  /** Another scheduler, at which nothing is open. */
  restart(): void {
    this.#size = this.#bounds.pullsMax;
    this.#open = 0;
  }
}
