/** The tensors of one node: held by instances, or kept for the next one until their room is wanted. */
import type { InventoryDelta, TensorRef } from '@tetris/common';

interface Stored {
  bytes: number;
  holders: number;
}

export class TensorStore {
  readonly #onChange: (change: Pick<InventoryDelta, 'added' | 'removed'>) => void;
  /** The longest unused first. */
  readonly #stored = new Map<string, Stored>();
  #keptBytes = 0;

  constructor(onChange: (change: Pick<InventoryDelta, 'added' | 'removed'>) => void) {
    this.#onChange = onChange;
  }

  /** Bytes that nobody holds. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Bytes of these that would have to be loaded. */
  missingBytes(tensors: readonly TensorRef[]): number {
    return tensors.reduce((sum, { sha256, bytes }) => sum + (this.#stored.has(sha256) ? 0 : bytes), 0);
  }

  /** An instance loads them. */
  hold(tensors: readonly TensorRef[]): void {
    const added: TensorRef[] = [];
    for (const tensor of tensors) {
      const stored = this.#stored.get(tensor.sha256) ?? { bytes: tensor.bytes, holders: 0 };
      if (!this.#stored.delete(tensor.sha256)) added.push(tensor);
      else if (stored.holders === 0) this.#keptBytes -= stored.bytes;
      stored.holders += 1;
      this.#stored.set(tensor.sha256, stored);
    }
    if (added.length > 0) this.#onChange({ added, removed: [] });
  }

  /** It has ended. */
  release(tensors: readonly TensorRef[]): void {
    for (const { sha256 } of tensors) {
      const stored = this.#stored.get(sha256);
      if (stored === undefined) continue;
      stored.holders -= 1;
      if (stored.holders === 0) this.#keptBytes += stored.bytes;
    }
  }

  /** Drops what nobody holds, the longest unused first, until no more than this is kept. */
  reclaim(keptMax: number): void {
    const removed: string[] = [];
    for (const [sha256, { bytes, holders }] of this.#stored) {
      if (this.#keptBytes <= keptMax) break;
      if (holders > 0) continue;
      this.#stored.delete(sha256);
      this.#keptBytes -= bytes;
      removed.push(sha256);
    }
    if (removed.length > 0) this.#onChange({ added: [], removed });
  }
}
