import { type ContainerSlots, returnSlot, takeSlot } from '@tetris/common';

/**
 * Permits of one invoker, one per MB, which its actions' containers take. Source: `C/common/NestedSemaphore.scala`,
 * `ForcibleSemaphore.scala`, `ResizableSemaphore.scala` of apache/openwhisk.
 */
export class NestedSemaphore {
  readonly permits: number;
  #available: number;
  /** By action with version. */
  readonly #containers = new Map<string, ContainerSlots>();

  constructor(permits: number) {
    this.permits = permits;
    this.#available = permits;
  }

  /** Negative where permits were taken by force. */
  get available(): number {
    return this.#available;
  }

  tryAcquire(action: string, concurrency: number, memoryMb: number): boolean {
    const { inFlight, capacity } = this.#of(action);
    if (inFlight === capacity && this.#available < memoryMb) return false;
    this.forceAcquire(action, concurrency, memoryMb);
    return true;
  }

  /** Takes permits that are not there, where no invoker has room. */
  forceAcquire(action: string, concurrency: number, memoryMb: number): void {
    const containers = this.#of(action);
    this.#containers.set(action, containers);
    if (takeSlot(containers, concurrency)) this.#available -= memoryMb;
  }

  /** False where nothing like this was taken; stock throws there if concurrency is above 1. */
  release(action: string, concurrency: number, memoryMb: number): boolean {
    const containers = this.#containers.get(action);
    if (containers === undefined) return false;
    if (returnSlot(containers, concurrency)) this.#available += memoryMb;
    if (containers.inFlight === 0) this.#containers.delete(action);
    return true;
  }

  #of(action: string): ContainerSlots {
    return this.#containers.get(action) ?? { inFlight: 0, capacity: 0 };
  }
}
