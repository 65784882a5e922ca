/**
 * In which order idle models leave: greedy-dual with frequency, as FaasCache (ASPLOS '21) orders keep-alive. Pure.
 *
 *     priority = clock + frequency x cost / size
 *
 * The clock is the priority of the last victim, so what has not been used since sinks below what has. `size` is what
 * leaving frees: the bytes of tensors that no other model of the store needs.
 */
export interface Candidate {
  key: string;
  /** Cost of having it back, ms. */
  cost: number;
  /** Bytes that its leaving frees. */
  size: number;
}

export class GreedyDual {
  readonly #uses = new Map<string, { frequency: number; clock: number }>();
  #clock = 0;

  /** Counts a use. */
  touch(key: string): void {
    const frequency = (this.#uses.get(key)?.frequency ?? 0) + 1;
    this.#uses.set(key, { frequency, clock: this.#clock });
  }

  priority({ key, cost, size }: Candidate): number {
    const { frequency, clock } = this.#uses.get(key) ?? { frequency: 1, clock: this.#clock };
    return clock + (frequency * cost) / Math.max(1, size);
  }

  /** The one to leave first; undefined where there is none. */
  victim(candidates: Iterable<Candidate>): Candidate | undefined {
    let least: { candidate: Candidate; priority: number } | undefined;
    for (const candidate of candidates) {
      const priority = this.priority(candidate);
      if (least === undefined || priority < least.priority) least = { candidate, priority };
    }
    return least?.candidate;
  }

  /** The victim is to leave: the clock moves on. */
  leave(candidate: Candidate): void {
    this.#clock = Math.max(this.#clock, this.priority(candidate));
    this.forget(candidate.key);
  }

  /** It is gone, whatever the reason. */
  forget(key: string): void {
    this.#uses.delete(key);
  }

  /** Those whose uses are remembered. */
  get size(): number {
    return this.#uses.size;
  }
}
