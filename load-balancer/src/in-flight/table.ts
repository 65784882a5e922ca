/**
 * The activations that were handed on and are not finished. Pure: time comes in as `nowMs`.
 *
 *     added ──result──> answered ──completion──> gone
 *       │                                         ▲
 *       ├──combined, or completion of a non-blocking one, or lost ──┤
 *       └──completion first──> freed ──result or deadline──────────┘
 *
 * Each of the two effects of acks (result available, slot free) passes at most once per activation, whatever the
 * invoker repeats; an id that is not in the table passes nothing, for it belongs to another load balancer or is done.
 */
import type { AckType, InFlight } from '@tetris/common';

/** An entry with what only this process knows of it. */
export interface Tracked {
  readonly entry: InFlight;
  /**
   * Gives the slot back to placement, which is told when it was answered (epoch ms), unless it was given up; does
   * nothing after a recovery, when placement knows of no slot.
   */
  readonly release: (answeredMs?: number) => void;
  /** Epoch ms at which it was handed on, or recovered. */
  readonly sentMs: number;
  /** Handed on by an earlier process, so that the acks that have passed are not known. @default false */
  readonly recovered?: boolean;
  /** Epoch ms since when every status of its invoker has shown that it is not there. */
  absentSinceMs?: number | undefined;
  resultPassed: boolean;
  slotFreed: boolean;
}

/** `pass`: forward it; `frees`: and it is the first that frees the slot. */
export type AckVerdict =
  { verdict: 'pass'; tracked: Tracked; frees: boolean } | { verdict: 'duplicate' } | { verdict: 'unknown' };

export class InFlightTable {
  readonly #byId = new Map<string, Tracked>();
  readonly #byInvoker = new Map<number, Set<Tracked>>();

  get size(): number {
    return this.#byId.size;
  }

  has(activationId: string): boolean {
    return this.#byId.has(activationId);
  }

  add(tracked: Tracked): void {
    this.#byId.set(tracked.entry.activationId, tracked);
    const ofInvoker = this.#byInvoker.get(tracked.entry.invoker) ?? new Set();
    ofInvoker.add(tracked);
    this.#byInvoker.set(tracked.entry.invoker, ofInvoker);
  }

  /** Judges an ack and books its effects. */
  acked(activationId: string, type: AckType): AckVerdict {
    const tracked = this.#byId.get(activationId);
    if (tracked === undefined) return { verdict: 'unknown' };
    // Results go before completions, and acks come again until they have passed: its result did, in the earlier
    // process.
    if (tracked.recovered === true && type === 'completion') tracked.resultPassed = true;
    const brings = { result: type !== 'completion', slot: type !== 'result' };
    const news = (brings.result && !tracked.resultPassed) || (brings.slot && !tracked.slotFreed);
    if (!news) return { verdict: 'duplicate' };
    const frees = brings.slot && !tracked.slotFreed;
    tracked.resultPassed ||= brings.result;
    tracked.slotFreed ||= brings.slot;
    const awaitsResult = tracked.entry.blocking && !tracked.resultPassed;
    if (tracked.slotFreed && !awaitsResult) this.remove(activationId);
    return { verdict: 'pass', tracked, frees };
  }

  remove(activationId: string): Tracked | undefined {
    const tracked = this.#byId.get(activationId);
    if (tracked === undefined) return undefined;
    this.#byId.delete(activationId);
    const ofInvoker = this.#byInvoker.get(tracked.entry.invoker);
    ofInvoker?.delete(tracked);
    if (ofInvoker?.size === 0) this.#byInvoker.delete(tracked.entry.invoker);
    return tracked;
  }

  /** Invokers that have something in flight. */
  invokers(): number[] {
    return [...this.#byInvoker.keys()];
  }

  /** Those of an invoker that were handed on no later than `sentByMs`. */
  ofInvoker(instance: number, sentByMs = Number.POSITIVE_INFINITY): Tracked[] {
    return [...(this.#byInvoker.get(instance) ?? [])].filter((tracked) => tracked.sentMs <= sentByMs);
  }

  /** Removes and returns what the controllers have given up on. */
  expire(nowMs: number): Tracked[] {
    const expired = [...this.#byId.values()].filter((tracked) => tracked.entry.deadlineMs <= nowMs);
    for (const { entry } of expired) this.remove(entry.activationId);
    return expired;
  }
}
