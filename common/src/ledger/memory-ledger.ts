/**
 * The memory of one node as the plugin counts it: bytes with their holders. Pure.
 *
 *     used = tensors that instances here hold, each once
 *          + what others on the node lease beside them (another invoker, containers without one)
 *          + private bytes of instances
 *          + what is set aside for containers without an action
 *
 * Three questions are asked of it, and all of admission, eviction and placement are made of them: what would one more
 * instance add ({@link MemoryLedger.need}), what do instances give back ({@link Departure.freedBytes}: with the last
 * holder goes the tensor), and does it fit ({@link MemoryLedger.fits}). Tensors that are kept in the store but held by
 * nobody are not in it: the daemon drops them when their room is wanted.
 */
import type { ActionManifest } from '../registry/registry';

/** What one more instance will need. */
export interface MemoryNeed {
  /** Undefined while nobody has run the action. */
  manifest: ActionManifest | undefined;
  /** The action's memory limit: the estimate while nothing is known. */
  limitBytes: number;
}

interface InstanceMemory {
  /** Bytes of its own: measured, or what was reserved. */
  bytes: number;
  manifest: ActionManifest | undefined;
}

/** Instances that hold a tensor of this size. */
interface Holding {
  bytes: number;
  holders: number;
}

export class MemoryLedger {
  readonly budgetBytes: number;
  readonly #instances = new Map<number, InstanceMemory>();
  /** By digest. */
  readonly #held = new Map<string, Holding>();
  #heldBytes = 0;
  #foreignBytes = 0;
  #asideBytes = 0;
  #privateBytes = 0;

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes;
  }

  get usedBytes(): number {
    return this.#heldBytes + this.#foreignBytes + this.#asideBytes + this.#privateBytes;
  }

  /** The terms of {@link usedBytes}, as the top of this file has them. */
  bytesByKind(): Record<'tensors' | 'foreign' | 'private' | 'aside', number> {
    return {
      tensors: this.#heldBytes,
      foreign: this.#foreignBytes,
      private: this.#privateBytes,
      aside: this.#asideBytes,
    };
  }

  /** What an instance would take on an empty node: more than the budget never fits. */
  total({ manifest, limitBytes }: MemoryNeed): number {
    if (manifest === undefined) return limitBytes;
    return manifest.tensors.reduce((sum, { bytes }) => sum + bytes, manifest.privateBytes);
  }

  /** What one more instance would add: its private bytes, and the tensors that no living instance here holds. */
  need(need: MemoryNeed): number {
    return this.without([]).need(need);
  }

  fits(bytes: number): boolean {
    return this.usedBytes + bytes <= this.budgetBytes;
  }

  /** The node as it would be without some of its instances. */
  without(instances: Iterable<number>): Departure {
    const departure = new Departure(this, this.#instances, this.#held);
    for (const instance of instances) departure.add(instance);
    return departure;
  }

  /** An instance is about to start. */
  reserve(instance: number, { manifest, limitBytes }: MemoryNeed): void {
    const bytes = manifest?.privateBytes ?? limitBytes;
    this.#instances.set(instance, { bytes, manifest });
    this.#privateBytes += bytes;
    this.#hold(manifest, 1);
  }

  /** A sample of the instance's private bytes replaces what was reserved. */
  measured(instance: number, privateBytes: number): void {
    const known = this.#instances.get(instance);
    if (known === undefined) return;
    this.#privateBytes += privateBytes - known.bytes;
    known.bytes = privateBytes;
  }

  /** The tensors of a living instance became known, or changed. */
  learned(instance: number, manifest: ActionManifest): void {
    const known = this.#instances.get(instance);
    if (known === undefined) return;
    this.#hold(known.manifest, -1);
    this.#hold(manifest, 1);
    known.manifest = manifest;
  }

  /** An instance is gone, and with it its tensors that no other holds. */
  free(instance: number): void {
    const known = this.#instances.get(instance);
    if (known === undefined) return;
    this.#instances.delete(instance);
    this.#privateBytes -= known.bytes;
    this.#hold(known.manifest, -1);
  }

  /** The daemon's count of bytes that are leased on the node: what is not held by instances here is somebody else's. */
  leased(bytes: number): void {
    this.#foreignBytes = Math.max(0, bytes - this.#heldBytes);
  }

  /** Bytes of containers that belong to no instance. */
  setAside(bytes: number): void {
    this.#asideBytes = bytes;
  }

  #hold(manifest: ActionManifest | undefined, change: 1 | -1): void {
    for (const { sha256, bytes } of manifest?.tensors ?? []) {
      const holding = this.#held.get(sha256) ?? { bytes, holders: 0 };
      if (holding.holders === 0) this.#heldBytes += holding.bytes;
      holding.holders += change;
      if (holding.holders > 0) {
        this.#held.set(sha256, holding);
        continue;
      }
      this.#held.delete(sha256);
      this.#heldBytes -= holding.bytes;
    }
  }
}

/** Instances on their way out, or thought away: what they give back together. */
export class Departure {
  readonly #ledger: MemoryLedger;
  readonly #instances: ReadonlyMap<number, InstanceMemory>;
  readonly #held: ReadonlyMap<string, Holding>;
  readonly #gone = new Set<number>();
  /** Holders that go, by digest. */
  readonly #leaving = new Map<string, number>();
  #privateBytes = 0;
  #tensorBytes = 0;

  constructor(
    ledger: MemoryLedger,
    instances: ReadonlyMap<number, InstanceMemory>,
    held: ReadonlyMap<string, Holding>,
  ) {
    this.#ledger = ledger;
    this.#instances = instances;
    this.#held = held;
  }

  /** Bytes that go: private ones, and tensors that nobody holds afterwards. */
  get freedBytes(): number {
    return this.#privateBytes + this.#tensorBytes;
  }

  /** The part of {@link freedBytes} that is tensors. */
  get freedTensorBytes(): number {
    return this.#tensorBytes;
  }

  /** One more that goes. */
  add(instance: number): void {
    const memory = this.#instances.get(instance);
    if (memory === undefined || this.#gone.has(instance)) return;
    this.#gone.add(instance);
    this.#privateBytes += memory.bytes;
    for (const { sha256 } of memory.manifest?.tensors ?? []) {
      const leaving = (this.#leaving.get(sha256) ?? 0) + 1;
      this.#leaving.set(sha256, leaving);
      const { bytes = 0, holders = 0 } = this.#held.get(sha256) ?? {};
      if (leaving === holders) this.#tensorBytes += bytes;
    }
  }

  /** What one more instance would add when they are gone. */
  need({ manifest, limitBytes }: MemoryNeed): number {
    if (manifest === undefined) return limitBytes;
    const missing = manifest.tensors.filter(({ sha256 }) => this.#holdersOf(sha256) === 0);
    return missing.reduce((sum, { bytes }) => sum + bytes, manifest.privateBytes);
  }

  /** Bytes that one more instance still lacks when they are gone; 0 where it fits. */
  lacks(need: MemoryNeed): number {
    const { usedBytes, budgetBytes } = this.#ledger;
    return Math.max(0, usedBytes - this.freedBytes + this.need(need) - budgetBytes);
  }

  #holdersOf(sha256: string): number {
    return (this.#held.get(sha256)?.holders ?? 0) - (this.#leaving.get(sha256) ?? 0);
  }
}
