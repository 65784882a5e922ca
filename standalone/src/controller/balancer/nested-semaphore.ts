/**
 * Permits of one invoker, one per MB. Source: `C/common/NestedSemaphore.scala`, `ForcibleSemaphore.scala`,
 * `ResizableSemaphore.scala` of apache/openwhisk.
 *
 * With concurrency 1 an activation takes its action's memory. With concurrency c > 1 the first one takes the memory
 * and brings c slots; further ones take free slots; the memory goes back whenever c slots are free.
 */
export class NestedSemaphore {
  readonly permits: number;
  #available: number;
  /** By action with version: slots that are free and slots that are held. */
  readonly #slots = new Map<string, { free: number; held: number }>();

  constructor(permits: number) {
    this.permits = permits;
    this.#available = permits;
  }

  /** Negative where permits were taken by force. */
  get available(): number {
    return this.#available;
  }

  tryAcquire(action: string, concurrency: number, memoryMb: number): boolean {
    if (this.#takeSlot(action, concurrency)) return true;
    if (this.#available < memoryMb) return false;
    this.#takeMemory(action, concurrency, memoryMb);
    return true;
  }

  /** Takes permits that are not there, where no invoker has room. */
  forceAcquire(action: string, concurrency: number, memoryMb: number): void {
    if (!this.#takeSlot(action, concurrency)) this.#takeMemory(action, concurrency, memoryMb);
  }

  /** False where nothing like this was taken; stock throws there if concurrency is above 1. */
  release(action: string, concurrency: number, memoryMb: number): boolean {
    if (concurrency === 1) {
      this.#available += memoryMb;
      return this.#available <= this.permits;
    }
    const slots = this.#slots.get(action);
    if (slots === undefined) return false;
    slots.held -= 1;
    slots.free += 1;
    if (slots.free >= concurrency) {
      slots.free -= concurrency;
      this.#available += memoryMb;
    }
    if (slots.held === 0) this.#slots.delete(action);
    return true;
  }

  #takeSlot(action: string, concurrency: number): boolean {
    if (concurrency === 1) return false;
    const slots = this.#slots.get(action);
    if (slots === undefined || slots.free === 0) return false;
    slots.free -= 1;
    slots.held += 1;
    return true;
  }

  #takeMemory(action: string, concurrency: number, memoryMb: number): void {
    this.#available -= memoryMb;
    if (concurrency === 1) return;
    const slots = this.#slots.get(action) ?? { free: 0, held: 0 };
    slots.free += concurrency - 1;
    slots.held += 1;
    this.#slots.set(action, slots);
  }
}
