/** Choice of a stock invoker for kinds that are not ours: the stock controller's walk over our own accounting. */
import { returnSlot, takeSlot } from '@tetris/common';
import { type Invoker, newEstimate } from '../fleet/invoker';
import { type Fractions, homeHash, homeWalk, invokersFor } from './home-invoker';

export interface WalkRequest {
  namespace: string;
  action: string;
  /** The action's memory limit: stock invokers reserve it whole, per container. */
  memoryBytes: number;
  /** Activations at once in one container. */
  concurrency: number;
  blackbox: boolean;
  key: string;
}

/**
 * Takes one slot of an action's containers, by force where there is no room, and their memory with it.
 * @returns gives the slot back
 */
export function claim(invoker: Invoker, { key, concurrency, memoryBytes }: WalkRequest): () => void {
  const containers = invoker.instances.get(key) ?? newEstimate();
  invoker.instances.set(key, containers);
  const reserve = (bytes: number): void => {
    containers.reservedBytes += bytes;
    invoker.reservedBytes += bytes;
  };
  if (takeSlot(containers, concurrency)) reserve(memoryBytes);
  return () => {
    if (invoker.instances.get(key) !== containers) return; // The invoker was given up, and its books closed.
    if (returnSlot(containers, concurrency)) reserve(-memoryBytes);
    if (containers.inFlight === 0) invoker.instances.delete(key);
  };
}

/**
 * @param stock every stock invoker by ascending id, unusable ones included: they keep their places in the walk
 * @param random in [0, 1): picks an overloaded invoker by force, as stock does
 */
export function walkHome(
  stock: readonly Invoker[],
  usable: readonly Invoker[],
  request: WalkRequest,
  options: Fractions & { inFlightMax: number; random: () => number },
): Invoker | undefined {
  const pool = invokersFor(stock, request.blackbox, options);
  const healthy = new Set(usable.filter((invoker) => invoker.inFlight < options.inFlightMax));
  for (const index of homeWalk(homeHash(request.namespace, request.action), pool.length)) {
    const invoker = pool[index];
    if (invoker !== undefined && healthy.has(invoker) && hasRoom(invoker, request)) return invoker;
  }
  const forced = pool.filter((invoker) => healthy.has(invoker));
  return forced[Math.floor(options.random() * forced.length)];
}

function hasRoom(invoker: Invoker, { key, memoryBytes }: WalkRequest): boolean {
  const containers = invoker.instances.get(key);
  if (containers !== undefined && containers.inFlight < containers.capacity) return true;
  return invoker.reservedBytes + memoryBytes <= invoker.memoryBytes;
}
