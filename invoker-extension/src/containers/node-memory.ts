/**
 * The node's memory in the plugin's terms: bytes of the store that somebody holds + private bytes of instances + what
 * stem cells reserve, so a shared tensor counts once. Pure.
 */
import type { ActionManifest } from '@tetris/common';

/** What one more instance of a group will need. */
export interface MemoryNeed {
  manifest: ActionManifest | undefined;
  /** The action's memory limit: the estimate while nothing is known. */
  limitBytes: number;
}

interface InstanceMemory {
  /** Measured, or what was reserved. */
  bytes: number;
  manifest: ActionManifest | undefined;
}

export class NodeMemory {
  readonly budgetBytes: number;
  #leasedBytes = 0;
  #asideBytes = 0;
  readonly #instances = new Map<number, InstanceMemory>();
  /** Instances that hold a tensor, by its digest. */
  readonly #holders = new Map<string, number>();
  #instanceBytes = 0;

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes;
  }

  get usedBytes(): number {
    return this.#leasedBytes + this.#asideBytes + this.#instanceBytes;
  }

  /** Private bytes as measured before, or the limit; plus the tensors that no living instance here holds. */
  need({ manifest, limitBytes }: MemoryNeed): number {
    if (manifest === undefined) return limitBytes;
    const missing = manifest.tensors.filter(({ sha256 }) => !this.#holders.has(sha256));
    return manifest.privateBytes + missing.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** @param bytes of what is freed elsewhere before it is needed */
  fits(bytes: number, freeing = 0): boolean {
    return this.usedBytes - freeing + bytes <= this.budgetBytes;
  }

  reserve(instance: number, need: MemoryNeed): void {
    const bytes = this.need(need);
    this.#instances.set(instance, { bytes, manifest: need.manifest });
    this.#instanceBytes += bytes;
    this.#hold(need.manifest, 1);
  }

  /** A sample of the instance's private bytes replaces what was reserved. */
  measured(instance: number, privateBytes: number): void {
    const known = this.#instances.get(instance);
    if (known === undefined) return;
    this.#instanceBytes += privateBytes - known.bytes;
    known.bytes = privateBytes;
  }

  /** The tensors of a living instance became known. */
  learned(instance: number, manifest: ActionManifest): void {
    const known = this.#instances.get(instance);
    if (known === undefined) return;
    this.#hold(known.manifest, -1);
    this.#hold(manifest, 1);
    known.manifest = manifest;
  }

  /** The daemon's count of bytes that some lease holds. */
  leased(bytes: number): void {
    this.#leasedBytes = bytes;
  }

  /** Bytes of containers that belong to no instance. */
  setAside(bytes: number): void {
    this.#asideBytes = bytes;
  }

  bytesOf(instance: number): number {
    return this.#instances.get(instance)?.bytes ?? 0;
  }

  free(instance: number): void {
    const known = this.#instances.get(instance);
    if (known === undefined) return;
    this.#instances.delete(instance);
    this.#instanceBytes -= known.bytes;
    this.#hold(known.manifest, -1);
  }

  #hold(manifest: ActionManifest | undefined, change: 1 | -1): void {
    for (const { sha256 } of manifest?.tensors ?? []) {
      const count = (this.#holders.get(sha256) ?? 0) + change;
      if (count > 0) this.#holders.set(sha256, count);
      else this.#holders.delete(sha256);
    }
  }
}
