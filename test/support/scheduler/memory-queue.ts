/** One action's queue as a scheduler keeps it. Time comes in; what it wants done it says by its decisions. */
import { decide, type Decision, STALE_MS } from './decision';

export interface WaitingPull {
  container: string;
  warmed: boolean;
  /** Undefined: nothing has come. */
  answer: (message: string | undefined) => void;
  gone: () => boolean;
}

interface Waiting {
  message: string;
  sinceMs: number;
}

const DURATIONS_KEPT = 10;

export class MemoryQueue {
  readonly containers = new Set<string>();
  /** Creation ids under way. */
  readonly ordered = new Set<string>();
  readonly #messages: Waiting[] = [];
  readonly #pulls = new Set<WaitingPull>();
  readonly #durations: number[] = [];
  lastUsedMs: number;

  constructor(nowMs: number) {
    this.lastUsedMs = nowMs;
  }

  get waiting(): number {
    return this.#messages.length;
  }

  /** @returns whether a pull that has gone away took it along, which loses it */
  offer(message: string, nowMs: number): boolean {
    this.lastUsedMs = nowMs;
    // Warmed containers first, then the greatest id.
    const order = (pull: WaitingPull): string => `${pull.warmed ? 1 : 0}${pull.container}`;
    const [first] = [...this.#pulls].sort((one, other) => (order(one) < order(other) ? 1 : -1));
    if (first === undefined) {
      this.#messages.push({ message, sinceMs: nowMs });
      return false;
    }
    this.#pulls.delete(first);
    const lost = first.gone();
    first.answer(message);
    return lost;
  }

  pull(pull: WaitingPull, lastDurationMs: number | undefined): void {
    this.containers.add(pull.container);
    if (lastDurationMs !== undefined) {
      this.#durations.push(lastDurationMs);
      if (this.#durations.length > DURATIONS_KEPT) this.#durations.shift();
    }
    const next = this.#messages.shift();
    if (next === undefined) this.#pulls.add(pull);
    else pull.answer(next.message);
  }

  /** Its second is over. */
  giveUp(pull: WaitingPull): void {
    if (this.#pulls.delete(pull)) pull.answer(undefined);
  }

  /** A container is gone. */
  release(container: string): void {
    this.containers.delete(container);
    for (const pull of [...this.#pulls]) if (pull.container === container) this.giveUp(pull);
  }

  /** What has come by then, and waits no more. @param sinceMs by default everything */
  drain(sinceMs = Number.POSITIVE_INFINITY): string[] {
    const kept = this.#messages.findIndex((each) => each.sinceMs > sinceMs);
    return this.#messages.splice(0, kept === -1 ? this.#messages.length : kept).map(({ message }) => message);
  }

  endPulls(): void {
    for (const pull of [...this.#pulls]) this.giveUp(pull);
  }

  decide(
    nowMs: number,
    namespace: { existing: number; ordered: number; limit: number },
    concurrency: number,
  ): Decision {
    const stale = this.#messages.filter(({ sinceMs }) => nowMs - sinceMs > STALE_MS).length;
    const { length } = this.#durations;
    return decide({
      waiting: this.#messages.length,
      stale,
      existing: this.containers.size,
      ordered: this.ordered.size,
      existingInNamespace: namespace.existing,
      orderedInNamespace: namespace.ordered,
      limit: namespace.limit,
      concurrency,
      meanMs: length === 0 ? undefined : this.#durations.reduce((sum, ms) => sum + ms, 0) / length,
    });
  }
}
