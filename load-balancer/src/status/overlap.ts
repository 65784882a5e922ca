/** How much of their tensors functions have in common. Pure. */
import type { TensorSet } from '../placement/similarity';

export interface Overlaps {
  /** As they were asked for. */
  names: string[];
  /** Bytes of each one's tensors, each once; null where they are not known. */
  totalBytes: (number | null)[];
  /** Bytes of those that two have in common, by their places. */
  sharedBytes: number[][];
}

export function overlapsOf(
  names: readonly string[],
  sets: readonly (Pick<TensorSet, 'tensors'> | undefined)[],
): Overlaps {
  const holders = new Map<object, number[]>();
  for (const [index, set] of sets.entries()) {
    for (const tensor of set?.tensors ?? []) holders.set(tensor, [...(holders.get(tensor) ?? []), index]);
  }
  const sharedBytes = names.map(() => names.map(() => 0));
  for (const [tensor, indexes] of holders) {
    const { bytes } = tensor as TensorSet['tensors'][number];
    for (const one of indexes) {
      for (const other of indexes) {
        const row = sharedBytes[one];
        if (row !== undefined) row[other] = (row[other] ?? 0) + bytes;
      }
    }
  }
  const totalBytes = sets.map((set, index) => (set === undefined ? null : (sharedBytes[index]?.[index] ?? 0)));
  return { names: [...names], totalBytes, sharedBytes };
}
