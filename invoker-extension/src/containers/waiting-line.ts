/** A ticket that waits, and since when, epoch ms. */
export interface Waiting<Ticket> {
  ticket: Ticket;
  sinceMs: number;
}

/**
 * Tickets of one group in the order in which they are served. Pure.
 *
 * Those with the same objective are due in the order of their arrival. But where more comes than can be served, that order
 * makes everybody late: each is served when its time is just over. So those that cannot be in time any more go behind
 * those that can, and while there are such, the newest goes first, which has most of its time left: the objective of a few
 * is lost, not that of all, and the few are served as soon as there is a gap.
 */
export class WaitingLine<Ticket> {
  /** Both in order of arrival; who is late came before who is not. */
  readonly #timely: Waiting<Ticket>[] = [];
  readonly #late: Waiting<Ticket>[] = [];

  get length(): number {
    return this.#timely.length + this.#late.length;
  }

  /** Arrival of the one that has waited longest, epoch ms; infinite where none waits. */
  get oldestMs(): number {
    return this.#late[0]?.sinceMs ?? this.#timely[0]?.sinceMs ?? Number.POSITIVE_INFINITY;
  }

  /** The one to be served next. */
  get next(): Waiting<Ticket> | undefined {
    return this.#late.length === 0 ? this.#timely[0] : (this.#timely.at(-1) ?? this.#late[0]);
  }

  /** Whether {@link next} is one that is late. */
  get nextIsLate(): boolean {
    return this.#timely.length === 0 && this.#late.length > 0;
  }

  push(waiting: Waiting<Ticket>): void {
    this.#timely.push(waiting);
  }

  /** One that was taken comes back, to be served next. */
  putBack(waiting: Waiting<Ticket>): void {
    if (this.#late.length === 0) this.#timely.unshift(waiting);
    else this.#timely.push(waiting);
  }

  /** Who came before this time cannot be in time any more, epoch ms. */
  lateBefore(sinceMs: number): void {
    for (let [first] = this.#timely; first !== undefined && first.sinceMs < sinceMs; [first] = this.#timely) {
      this.#late.push(first);
      this.#timely.shift();
    }
  }

  /** Removes and returns {@link next}. */
  take(): Waiting<Ticket> | undefined {
    return (this.#late.length === 0 ? this.#timely.shift() : this.#timely.pop()) ?? this.#late.shift();
  }

  /** Removes and returns the one that has waited longest. */
  takeOldest(): Waiting<Ticket> | undefined {
    return this.#late.shift() ?? this.#timely.shift();
  }
}
