/**
 * Which messages of a partition have been handled, and up to where all of them have. Pure.
 *
 * Handlers settle in any order; what may be committed is the position below which nothing is open.
 */
export class HandledPositions {
  /** Handed out in ascending order; true once handled. */
  readonly #open = new Map<bigint, boolean>();
  #next: bigint | undefined;

  handedOut(offset: bigint): void {
    this.#open.set(offset, false);
  }

  handled(offset: bigint): void {
    if (this.#open.has(offset)) this.#open.set(offset, true);
  }

  /** The position to commit: everything before it has been handled. Undefined while nothing new has. */
  take(): bigint | undefined {
    for (const [offset, isHandled] of this.#open) {
      if (!isHandled) break;
      this.#open.delete(offset);
      this.#next = offset + 1n;
    }
    const next = this.#next;
    this.#next = undefined;
    return next;
  }
}
