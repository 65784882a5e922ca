/** When an instance gives freed memory back: pages that are given back are faulted in again by the next run. */

/**
 * An instance is at rest when none of its activations has ended for so long, ms, and for as long again as the last one
 * took: one that is called every second or so, or is busy half of the time, keeps what its next run needs.
 */
export const REST_MS = 2_000;

/**
 * One that never rests gives back what is free so often, ms: every ten seconds would be one run in a hundred of a model
 * that takes 70 ms.
 */
const BUSY_INTERVAL_MS = 60_000;

/** How often it looks at whether it nears its limit, ms: it gives back sooner then. */
const LOOK_MS = 100;

/** Times are in ms of one clock. */
export class TrimPolicy {
  #limitBytes = Infinity;
  #trimmedMs: number;
  #restMs: number;
  #lookedMs: number;
  /** Memory of its own at the first look since it gave back, which its runs need; undefined until then. */
  #neededBytes: number | undefined = 0;
  /** Whether a load has left memory, and an activation has ended since. */
  #leftByLoad: 'nothing' | 'unused' | 'used' = 'nothing';

  constructor(nowMs: number) {
    this.#trimmedMs = this.#restMs = this.#lookedMs = nowMs;
  }

  /** Says how much memory the process may have. Until then none is looked at: an instance without a model is not. */
  limit(bytes: number): void {
    this.#limitBytes = bytes;
  }

  /** It has given back what was free. */
  trimmed(nowMs: number): void {
    this.#trimmedMs = nowMs;
    this.#neededBytes = undefined;
    this.#leftByLoad = 'nothing';
  }

  /**
   * A load has ended. What it leaves, as much as its largest weight, no run needs: it does not wait for a rest, but for
   * the first answer, whose run should not have to fault its memory in.
   */
  loaded(): void {
    this.#leftByLoad = 'unused';
  }

  /** An activation that took so long has ended. */
  ended(nowMs: number, ranMs: number): void {
    this.#restMs = nowMs + REST_MS + Math.min(ranMs, BUSY_INTERVAL_MS);
    if (this.#leftByLoad === 'unused') this.#leftByLoad = 'used';
  }

  /**
   * Whether half of what its runs leave below the limit is used up. Not a share of the limit: runs that need more than
   * that would have their memory given back after each.
   * @param privateBytes memory of its own, which takes a moment to tell
   */
  nearsLimit(nowMs: number, privateBytes: () => number): boolean {
    if (this.#limitBytes === Infinity || nowMs - this.#lookedMs < LOOK_MS) return false;
    this.#lookedMs = nowMs;
    const bytes = privateBytes();
    this.#neededBytes ??= bytes;
    return bytes > (this.#neededBytes + this.#limitBytes) / 2;
  }

  /** @returns ms until freed memory is to be given back, unless another activation ends before; 0 for now */
  waitMs(nowMs: number): number {
    const now = this.#leftByLoad === 'used' || nowMs - this.#trimmedMs >= BUSY_INTERVAL_MS;
    return now ? 0 : Math.max(0, this.#restMs - nowMs);
  }
}
