/**
 * How far an invoker had read its topic when it last told, and what came to the topic after that. Pure.
 *
 * The broker numbers what it is sent. Of the messages between what a status knew of and our newest one, those that are
 * not ours are of other load balancers: so each learns from its own sends what the others have sent.
 */
export class SendPositions {
  #readUpTo: number | undefined;
  /** Ours that the last status did not know of: as many as are sent between two statuses. */
  readonly #unread = new Set<number>();
  #newest = -1;

  /** One of ours was sent. */
  sent(position: number): void {
    if (this.#readUpTo === undefined || position < this.#readUpTo) return;
    this.#unread.add(position);
    this.#newest = Math.max(this.#newest, position);
  }

  /** A status knew of so many messages; undefined where it does not say. */
  read(upTo: number | undefined): void {
    this.#readUpTo = upTo;
    for (const position of this.#unread) if (upTo === undefined || position < upTo) this.#unread.delete(position);
  }

  /** Whether the last status knew of it. Where none says, all of them count as known. */
  isRead(position: number | undefined): boolean {
    return this.#readUpTo === undefined || (position !== undefined && position < this.#readUpTo);
  }

  /** Messages of others that the last status did not know of, as far as we can know. */
  get ofOthers(): number {
    return this.#readUpTo === undefined ? 0 : Math.max(0, this.#newest + 1 - this.#readUpTo - this.#unread.size);
  }
}
