/** Memory of nodes as people ask for it. Pure. */
import type { NodeMemory } from '@tetris/common';

/** Memory of one node, or of several added up; `free` is what is left of `budget`. Bytes. */
export interface MemoryFigures {
  budgetBytes: number;
  /** Tensors in the store that nobody leases: they leave when their room is wanted. */
  keptBytes: number;
  leasedBytes: number;
  privateBytes: number;
  freeBytes: number;
  /** What the instances would take if each had its own copy of its tensors. */
  unsharedBytes: number;
}

/** @param memory the store's once, and what is private of all invokers of the node */
export function memoryFigures(budgetBytes: number, memory: NodeMemory): MemoryFigures {
  const { storeBytes, leasedBytes, unsharedBytes, privateBytes } = memory;
  const keptBytes = Math.max(0, storeBytes - leasedBytes);
  const freeBytes = Math.max(0, budgetBytes - keptBytes - leasedBytes - privateBytes);
  return { budgetBytes, keptBytes, leasedBytes, privateBytes, freeBytes, unsharedBytes: unsharedBytes + privateBytes };
}

/** Several nodes added up; those of which nothing is known are left out. */
export function totalMemory(nodes: readonly (MemoryFigures | undefined)[]): MemoryFigures {
  const known = nodes.filter((memory) => memory !== undefined);
  const total = (figure: keyof MemoryFigures): number => known.reduce((sum, memory) => sum + memory[figure], 0);
  return {
    budgetBytes: total('budgetBytes'),
    keptBytes: total('keptBytes'),
    leasedBytes: total('leasedBytes'),
    privateBytes: total('privateBytes'),
    freeBytes: total('freeBytes'),
    unsharedBytes: total('unsharedBytes'),
  };
}
