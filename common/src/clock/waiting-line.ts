/** Who waits, and when its answer is due. */
export interface Waiting<Ticket> {
  ticket: Ticket;
  /** Since when, epoch ms. */
  sinceMs: number;
  /** When its answer is due, epoch ms; infinite without an objective. */
  dueMs: number;
}

/**
 * Those that wait for the same instances, in the order in which they are served. Pure.
 *
 * What is due first goes first; without objectives, what came first. But where more comes than can be served, that
 * order makes everybody late: each is served when its time is just over. So once somebody cannot be in time any more,
 * the newest goes first, which has most of its time left, and who is late goes behind all that are not, the newest
 * first there too: the objective of a few is lost, not that of all (decisions 0018 and 0024).
 *
 * The line is kept by due time. So who is late stands before who is not, and the one to be served is always the first
 * or the last.
 */
export class WaitingLine<Ticket> {
  readonly #line: Waiting<Ticket>[] = [];

  get length(): number {
    return this.#line.length;
  }

  /** Arrival of the one that is due first, epoch ms; infinite where none waits. */
  get oldestMs(): number {
    return this.#line[0]?.sinceMs ?? Number.POSITIVE_INFINITY;
  }

  /** All of them, by when they are due. */
  [Symbol.iterator](): IterableIterator<Waiting<Ticket>> {
    return this.#line.values();
  }

  /** Whether somebody cannot be in time any more. @param answerMs when an answer can be there at the earliest */
  hasLate(answerMs: number): boolean {
    const [first] = this.#line;
    return first !== undefined && first.dueMs < answerMs;
  }

  /** How many can be in time still. @param answerMs as in {@link hasLate} */
  timely(answerMs: number): number {
    return this.#line.length - 1 - this.#line.findLastIndex(({ dueMs }) => dueMs < answerMs);
  }

  /** How many came later, epoch ms, of those due last: newcomers are, where all have one objective. */
  cameAfter(thenMs: number): number {
    return this.#line.length - 1 - this.#line.findLastIndex(({ sinceMs }) => sinceMs <= thenMs);
  }

  /** Equals in order of arrival. @returns how many are due before it */
  push(waiting: Waiting<Ticket>): number {
    const place = this.#placeOf(waiting);
    this.#line.splice(place, 0, waiting);
    return place;
  }

  /** The one to be served next. @param answerMs when an answer can be there at the earliest, epoch ms */
  next(answerMs: number): Waiting<Ticket> | undefined {
    return this.#line.at(this.hasLate(answerMs) ? -1 : 0);
  }

  /** Removes and returns {@link next}. */
  take(answerMs: number): Waiting<Ticket> | undefined {
    return this.hasLate(answerMs) ? this.#line.pop() : this.#line.shift();
  }

  /** Removes and returns the one that would be served last. */
  takeLast(answerMs: number): Waiting<Ticket> | undefined {
    return this.hasLate(answerMs) ? this.#line.shift() : this.#line.pop();
  }

  /** Removes and returns the one that {@link oldestMs} is about. */
  takeOldest(): Waiting<Ticket> | undefined {
    return this.#line.shift();
  }

  /** How many of those that are in time come before one that is due then. @param answerMs as in {@link next} */
  before(dueMs: number, answerMs: number): number {
    if (this.hasLate(answerMs)) return this.#line.filter((other) => other.dueMs > dueMs).length;
    return this.#line.filter((other) => other.dueMs <= dueMs).length;
  }

  /** Removes and returns those that are chosen. */
  remove(chosen: (ticket: Ticket) => boolean): Waiting<Ticket>[] {
    const removed = this.#line.filter(({ ticket }) => chosen(ticket));
    for (const waiting of removed) this.#line.splice(this.#line.indexOf(waiting), 1);
    return removed;
  }

  /** Behind those that are due with it and came before it. Newcomers are due last: found from the end. */
  #placeOf({ dueMs, sinceMs }: Waiting<Ticket>): number {
    const before = (other: Waiting<Ticket>): boolean =>
      other.dueMs < dueMs || (other.dueMs === dueMs && other.sinceMs <= sinceMs);
    return this.#line.findLastIndex(before) + 1;
  }
}

/** A line beside others that share the places to wait in. */
export interface Sharing {
  length: number;
  /** Who is of a higher one never gives way to who is of a lower. */
  priority: number;
}

/**
 * Whose line gives up one where too many wait: the longest of the lowest priority, so that none fills the places of
 * all. Among equals the newcomer's own.
 *
 * @param own with the newcomer in it
 */
export function givesWay<Line extends Sharing>(lines: Iterable<Line>, own: Line): Line {
  let most = own;
  for (const line of lines) {
    const lower = line.priority - most.priority;
    if (lower < 0 || (lower === 0 && line.length > most.length)) most = line;
  }
  return most;
}
