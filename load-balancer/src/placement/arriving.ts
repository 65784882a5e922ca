/**
 * Tensors on their way: what nodes are about to load for instances that were just sent there. Pure.
 *
 * An inventory tells of tensors once they are loaded, a second or more after the decision that brings them. Functions
 * that share a backbone and start in one burst would be spread over the cluster meanwhile, each with a copy of its own.
 */
import type { TensorSet } from './similarity';

/** Loads remembered; comparing one with a demand of 200 tensors takes microseconds. */
const LOADS_MAX = 32;

interface Load {
  nodeIndex: number;
  set: TensorSet;
  members: ReadonlySet<unknown>;
  untilMs: number;
}

export class Arriving {
  readonly #keepMs: number;
  /** Oldest first. */
  #loads: Load[] = [];

  /** @param keepMs after which what has not arrived is not expected any more */
  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  /** A node will load this set. */
  expect(nodeIndex: number, set: TensorSet, nowMs: number): void {
    this.#loads.push({ nodeIndex, set, members: new Set(set.tensors), untilMs: nowMs + this.#keepMs });
    if (this.#loads.length > LOADS_MAX) this.#loads.shift();
  }

  /** By node index, bytes of the set that are at least on their way there. Inventories know of what has arrived. */
  bytesOf(set: TensorSet, nowMs: number): ReadonlyMap<number, number> {
    this.#loads = this.#loads.filter((load) => load.untilMs > nowMs && !hasArrived(load));
    const expected = new Map<number, number>();
    for (const { nodeIndex, members } of this.#loads) {
      const bytes = set.tensors.reduce((sum, tensor) => sum + (members.has(tensor) ? tensor.bytes : 0), 0);
      if (bytes > (expected.get(nodeIndex) ?? 0)) expected.set(nodeIndex, bytes);
    }
    return expected;
  }
}

const hasArrived = ({ nodeIndex, set }: Load): boolean => (set.overlap[nodeIndex] ?? 0) >= set.totalBytes;
