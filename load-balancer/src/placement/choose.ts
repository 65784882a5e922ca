/** Choices among the usable invokers of one flavour. Pure, one pass each. */
import { availableBytes, hasMemory, type Invoker } from '../fleet/invoker';
import type { Demand } from './similarity';

/** What one more instance needs where nothing of it is there, and how much of that is tensors. */
export interface Choice {
  invoker: Invoker;
  /** theta of the chosen node, 0..1, with what is on its way there. */
  theta: number;
  /** Bytes that the new instance adds to the node. */
  addedBytes: number;
}

/**
 * The largest theta among the nodes that have room; ties go to the emptier node. Two figures of a node, not one: what
 * its store has makes it quick, and is preferred; what living instances hold needs no memory once more, and is admitted
 * by.
 * @param arriving by node index, bytes of the demand that are on their way there
 */
export function chooseSimilar(
  invokers: readonly Invoker[],
  { set: { overlap, held, totalBytes }, privateBytes }: Demand,
  arriving: ReadonlyMap<number, number>,
  inFlightMax: number,
): Choice | undefined {
  let best: Invoker | undefined;
  let bestStored = -1;
  let bestHeld = 0;
  let bestFree = 0;
  for (const invoker of invokers) {
    const node = invoker.nodeIndex ?? -1;
    const coming = arriving.get(node) ?? 0;
    const stored = Math.max(overlap[node] ?? 0, coming);
    if (stored < bestStored || invoker.inFlight >= inFlightMax) continue;
    const free = availableBytes(invoker);
    if (stored === bestStored && free <= bestFree) continue;
    const heldBytes = Math.max(held[node] ?? 0, coming);
    if (!hasMemory(invoker, { tensorBytes: totalBytes, privateBytes, heldBytes })) continue;
    best = invoker;
    bestStored = stored;
    bestHeld = heldBytes;
    bestFree = free;
  }
  if (best === undefined) return undefined;
  const theta = totalBytes === 0 ? 0 : bestStored / totalBytes;
  return { invoker: best, theta, addedBytes: totalBytes - bestHeld + privateBytes };
}

/** Tensors not known yet: home keeps an action's activations together; where home has no room, the emptiest node. */
export function chooseHome(
  invokers: readonly Invoker[],
  home: Invoker | undefined,
  neededBytes: number,
  inFlightMax: number,
): Choice | undefined {
  const fits = (invoker: Invoker): boolean => invoker.inFlight < inFlightMax && availableBytes(invoker) >= neededBytes;
  if (home !== undefined && invokers.includes(home) && fits(home))
    return { invoker: home, theta: 0, addedBytes: neededBytes };
  let emptiest: Invoker | undefined;
  for (const invoker of invokers) {
    if (!fits(invoker)) continue;
    if (emptiest === undefined || availableBytes(invoker) > availableBytes(emptiest)) emptiest = invoker;
  }
  return emptiest === undefined ? undefined : { invoker: emptiest, theta: 0, addedBytes: neededBytes };
}

/**
 * Nobody has memory for one more instance: the shortest queue of those that may take it, so that the next free slot is
 * near.
 */
export function chooseShortestQueue(
  invokers: readonly Invoker[],
  mayTake: (invoker: Invoker) => boolean,
): Invoker | undefined {
  const queue = (invoker: Invoker): number => Math.max(invoker.inFlight, invoker.reportedLoad);
  let shortest: Invoker | undefined;
  for (const invoker of invokers) {
    if (!mayTake(invoker)) continue;
    if (shortest === undefined || queue(invoker) < queue(shortest)) shortest = invoker;
  }
  return shortest;
}
