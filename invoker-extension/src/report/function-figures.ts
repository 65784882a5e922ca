/** How one function has done on this node: in all, and over a window that moves. Pure, time passed in. */
import { type FunctionReport, latencyBucket } from '@tetris/common';

/** An answer, as figures see it. */
export interface Answered {
  /** From the start of the transaction, ms. */
  latencyMs: number;
  /** It waited for an instance to be initialized. */
  cold: boolean;
  /** Requests of the execution that it was part of; undefined where it ran no model. */
  batch: number | undefined;
  sloMs: number | undefined;
}

/** The window moves on by one part of it at a time. */
const SLOTS = 12;

interface Slot {
  answered: number;
  inTime: number;
  batchSum: number;
  batchCount: number;
  latency: Map<number, number>;
}

const emptySlot = (): Slot => ({ answered: 0, inTime: 0, batchSum: 0, batchCount: 0, latency: new Map() });

export class FunctionFigures {
  readonly #slotMs: number;
  readonly #slots = Array.from({ length: SLOTS }, emptySlot);
  #current: number;
  #activations = 0;
  #coldStarts = 0;
  readonly #refusals = new Map<string, number>();
  #sloMs: number | undefined;

  constructor(windowMs: number, nowMs: number) {
    this.#slotMs = windowMs / SLOTS;
    this.#current = Math.floor(nowMs / this.#slotMs);
  }

  answered({ latencyMs, cold, batch, sloMs }: Answered, nowMs: number): void {
    const slot = this.#slotAt(nowMs);
    const bucket = latencyBucket(latencyMs);
    this.#sloMs = sloMs;
    this.#activations += 1;
    if (cold) this.#coldStarts += 1;
    slot.answered += 1;
    slot.latency.set(bucket, (slot.latency.get(bucket) ?? 0) + 1);
    if (sloMs !== undefined && latencyMs <= sloMs) slot.inTime += 1;
    if (batch === undefined) return;
    slot.batchSum += batch;
    slot.batchCount += 1;
  }

  refused(reason: string): void {
    this.#activations += 1;
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1);
  }

  report(nowMs: number): Omit<FunctionReport, 'action' | 'namespace' | 'instances'> {
    this.#slotAt(nowMs);
    const sum = (figure: (slot: Slot) => number): number =>
      this.#slots.reduce((total, slot) => total + figure(slot), 0);
    const latency = new Map<number, number>();
    for (const slot of this.#slots) {
      for (const [bucket, count] of slot.latency) latency.set(bucket, (latency.get(bucket) ?? 0) + count);
    }
    return {
      ...(this.#sloMs === undefined ? {} : { sloMs: this.#sloMs }),
      activations: this.#activations,
      coldStarts: this.#coldStarts,
      refusals: Object.fromEntries(this.#refusals),
      answered: sum(({ answered }) => answered),
      inTime: sum(({ inTime }) => inTime),
      batchSum: sum(({ batchSum }) => batchSum),
      batchCount: sum(({ batchCount }) => batchCount),
      latency: [...latency],
    };
  }

  /** Empties the slots that time has passed by. */
  #slotAt(nowMs: number): Slot {
    const index = Math.max(this.#current, Math.floor(nowMs / this.#slotMs));
    const passed = Math.min(SLOTS, index - this.#current);
    for (let back = 0; back < passed; back += 1) this.#slots[(index - back) % SLOTS] = emptySlot();
    this.#current = index;
    return (this.#slots[index % SLOTS] ??= emptySlot());
  }
}
