/** How long idle instances stay, and which leaves first when memory is wanted. Pure; policies are interchangeable. */

/** What a policy may know of an idle instance. */
export interface IdleInstance {
  group: string;
  /** Epoch ms of its last use. */
  idleSinceMs: number;
  /** Bytes that its end gives back. */
  readonly bytes: number;
  /** What its start cost, ms. */
  startMs: number;
}

export interface KeepAlivePolicy {
  /** An activation of the group arrived. */
  arrived(group: string, nowMs: number): void;
  /** How long an instance may stay idle, ms. */
  keepMs(instance: IdleInstance): number;
  /** Under memory pressure the lowest leaves first. */
  priority(instance: IdleInstance): number;
  /** The instance was ended although its time had not come. */
  evicted(instance: IdleInstance): void;
}

/** Every instance stays the same time; the least recently used leaves first. As stock does. */
export class FixedKeepAlive implements KeepAlivePolicy {
  readonly #keepMs: number;

  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  arrived(): void {
    // Arrivals change nothing here.
  }

  keepMs(): number {
    return this.#keepMs;
  }

  priority({ idleSinceMs }: IdleInstance): number {
    return idleSinceMs;
  }

  evicted(): void {
    // Nor do evictions.
  }
}
