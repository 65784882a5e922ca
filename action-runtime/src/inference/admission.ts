/**
 * How many runs hold copies of their inputs at once, and of how many bytes. A run that finds no room waits, with
 * nothing copied, until those before it have ended: user code may start as many as it likes. One that is larger than
 * the bound has the room to itself.
 */
export class Admission {
  readonly #runsMax: number;
  readonly #bytesMax: number;
  /** In order of arrival. */
  readonly #waiting = new Set<{ bytes: number; enter: () => void }>();
  #runs = 0;
  #bytes = 0;

  constructor(runsMax: number, bytesMax: number) {
    this.#runsMax = runsMax;
    this.#bytesMax = bytesMax;
  }

  /**
   * To be followed by {@link leave} with the same bytes.
   *
   * @returns undefined where there is room at once, else a promise of it
   */
  enter(bytes: number): Promise<void> | undefined {
    if (this.#waiting.size > 0 || !this.#fits(bytes)) {
      return new Promise((resolve) => this.#waiting.add({ bytes, enter: resolve }));
    }
    this.#take(bytes);
    return undefined;
  }

  leave(bytes: number): void {
    this.#runs -= 1;
    this.#bytes -= bytes;
    for (const first of this.#waiting) {
      if (!this.#fits(first.bytes)) return;
      this.#waiting.delete(first);
      this.#take(first.bytes);
      first.enter();
    }
  }

  #take(bytes: number): void {
    this.#runs += 1;
    this.#bytes += bytes;
  }

  #fits(bytes: number): boolean {
    return this.#runs === 0 || (this.#runs < this.#runsMax && this.#bytes + bytes <= this.#bytesMax);
  }
}
