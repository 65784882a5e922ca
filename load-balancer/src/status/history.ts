/** How the cluster's memory has gone, for the charts. Pure, time passed in. */
import type { MemoryFigures } from './memory-figures';

/** Bytes at one moment. */
export interface Moment {
  /** Epoch ms. */
  atMs: number;
  usedBytes: number;
  unsharedBytes: number;
}

/** Moments kept: when they are as many, every second one leaves, and from then on they are twice as far apart. */
const MOMENTS_MAX = 600;

export class History {
  #moments: Moment[] = [];
  #stepMs: number;

  /** @param stepMs between two moments, at first */
  constructor(stepMs: number) {
    this.#stepMs = stepMs;
  }

  /** Keeps a moment where it is time for one. */
  add({ leasedBytes, privateBytes, unsharedBytes }: MemoryFigures, atMs: number): void {
    const last = this.#moments.at(-1);
    if (last !== undefined && atMs - last.atMs < this.#stepMs) return;
    this.#moments.push({ atMs, usedBytes: leasedBytes + privateBytes, unsharedBytes });
    if (this.#moments.length < MOMENTS_MAX) return;
    this.#moments = this.#moments.filter((_, index) => index % 2 === 0);
    this.#stepMs *= 2;
  }

  moments(): readonly Moment[] {
    return this.#moments;
  }
}
