/**
 * How OpenWhisk's load balancers account for an action's containers at one invoker: each has as many slots as the
 * action's concurrency; the memory of one is taken with its first slot, and given back as soon as the slots of a whole
 * one are free. Source: `NestedSemaphore.scala` of apache/openwhisk.
 */
export interface ContainerSlots {
  /** Slots that activations hold, and slots there are. */
  inFlight: number;
  capacity: number;
}

/** Takes a slot. @returns whether that takes one more container */
export function takeSlot(slots: ContainerSlots, concurrency: number): boolean {
  slots.inFlight += 1;
  if (slots.inFlight <= slots.capacity) return false;
  slots.capacity += concurrency;
  return true;
}

/** Gives a slot back. @returns whether a container goes with it */
export function returnSlot(slots: ContainerSlots, concurrency: number): boolean {
  slots.inFlight -= 1;
  if (slots.capacity - slots.inFlight < concurrency) return false;
  slots.capacity -= concurrency;
  return true;
}
