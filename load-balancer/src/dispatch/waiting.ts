/**
 * Activations for which every invoker is taken wait here, in order. The queue needs no bound of its own: each entry
 * holds a unit of its front end's capacity.
 */
interface Waiting {
  /** Tries again; true when the wait is over. */
  attempt: () => boolean;
  sinceMs: number;
  wake: (placed: boolean) => void;
}

export class WaitingRoom {
  readonly #rooms = new Map<string, Waiting[]>();

  get size(): number {
    return [...this.#rooms.values()].reduce((sum, room) => sum + room.length, 0);
  }

  /**
   * @param room activations of one room wait for the same invokers, so that its head speaks for all of it
   * @returns false where it has waited for too long
   */
  async wait(room: string, attempt: () => boolean, nowMs: number): Promise<boolean> {
    return new Promise((wake) => {
      const waiting = this.#rooms.get(room) ?? [];
      waiting.push({ attempt, sinceMs: nowMs, wake });
      this.#rooms.set(room, waiting);
    });
  }

  /** Someone may have got room: each room's head tries, then the next one. */
  retry(): void {
    for (const [name, waiting] of this.#rooms) {
      let placed = 0;
      while (waiting[placed]?.attempt() === true) placed += 1;
      for (const { wake } of waiting.splice(0, placed)) wake(true);
      if (waiting.length === 0) this.#rooms.delete(name);
    }
  }

  /** Sends away those that came before `sinceMs`. */
  expire(sinceMs: number): void {
    for (const waiting of this.#rooms.values()) {
      const fresh = waiting.findIndex((one) => one.sinceMs > sinceMs);
      const expired = waiting.splice(0, fresh === -1 ? waiting.length : fresh);
      for (const { wake } of expired) wake(false);
    }
  }
}
