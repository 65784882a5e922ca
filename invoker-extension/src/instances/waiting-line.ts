/** A ticket that waits. */
export interface Waiting<Ticket> {
  ticket: Ticket;
  /** Since when, epoch ms. */
  sinceMs: number;
  /** When its answer is due, epoch ms; infinite without an objective. */
  dueMs: number;
}

/**
 * Tickets of one group in the order in which they are served. Pure.
 *
 * What is due first goes first; without objectives, what came first. But where more comes than can be served, that
 * order makes everybody late: each is served when its time is just over. So those that cannot be in time any more go
 * behind those that can, and while there are such, the newest goes first, which has most of its time left: the
 * objective of a few is lost, not that of all, and the few are served as soon as there is a gap.
 */
export class WaitingLine<Ticket> {
  /** Both by when they are due, equals in order of arrival; who is late was due before who is not. */
  readonly #timely: Waiting<Ticket>[] = [];
  readonly #late: Waiting<Ticket>[] = [];

  get length(): number {
    return this.#timely.length + this.#late.length;
  }

  /** Arrival of the one that has waited longest of those that are due first, epoch ms; infinite where none waits. */
  get oldestMs(): number {
    const firsts = [this.#late[0], this.#timely[0]];
    return Math.min(...firsts.map((first) => first?.sinceMs ?? Number.POSITIVE_INFINITY));
  }

  /** When the first answer is due, epoch ms; infinite where none is. */
  get dueMs(): number {
    return this.#late[0]?.dueMs ?? this.#timely[0]?.dueMs ?? Number.POSITIVE_INFINITY;
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
    const before = this.#timely.findLastIndex(({ dueMs }) => dueMs <= waiting.dueMs);
    this.#timely.splice(before + 1, 0, waiting);
  }

  /** One that was taken comes back, to be served next. */
  putBack(waiting: Waiting<Ticket>): void {
    if (this.#late.length === 0) this.#timely.unshift(waiting);
    else this.#timely.push(waiting);
  }

  /** Who is due before this time cannot be in time any more, epoch ms. */
  lateBefore(dueMs: number): void {
    for (let [first] = this.#timely; first !== undefined && first.dueMs < dueMs; [first] = this.#timely) {
      this.#late.push(first);
      this.#timely.shift();
    }
  }

  /** Removes and returns {@link next}. */
  take(): Waiting<Ticket> | undefined {
    return (this.#late.length === 0 ? this.#timely.shift() : this.#timely.pop()) ?? this.#late.shift();
  }

  /** Removes and returns the one that {@link oldestMs} is about. */
  takeOldest(): Waiting<Ticket> | undefined {
    return (this.#late[0]?.sinceMs ?? Number.POSITIVE_INFINITY) <= this.oldestMs
      ? (this.#late.shift() ?? this.#timely.shift())
      : this.#timely.shift();
  }
}
