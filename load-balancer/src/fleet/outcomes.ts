/**
 * The last outcomes of an invoker's activations, by which it is judged. Source: OpenWhisk `InvokerSupervision.scala`,
 * `InvokerActor.bufferSize` and `bufferErrorTolerance`.
 */

const OUTCOMES_KEPT = 10;
const TOLERATED_MAX = 3;

export class Outcomes<Outcome> {
  #kept: Outcome[] = [];

  add(outcome: Outcome): void {
    this.#kept.push(outcome);
    if (this.#kept.length > OUTCOMES_KEPT) this.#kept.shift();
  }

  /** Whether there are more of these among the last ten than are put up with. */
  tooMany(outcome: Outcome): boolean {
    return this.#kept.filter((kept) => kept === outcome).length > TOLERATED_MAX;
  }

  /** Whether there are more of any kind than errors are put up with: few say nothing yet. */
  get areTelling(): boolean {
    return this.#kept.length > TOLERATED_MAX;
  }

  clear(): void {
    this.#kept = [];
  }
}
