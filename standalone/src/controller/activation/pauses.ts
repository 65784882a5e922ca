/** Pauses that can be ended together; who pauses then never goes on. */
export class Pauses {
  readonly #timers: NodeJS.Timeout[] = [];

  of(ms: number): Promise<void> {
    return new Promise((resolve) => this.#timers.push(setTimeout(resolve, ms)));
  }

  end(): void {
    for (const timer of this.#timers) clearTimeout(timer);
  }
}
