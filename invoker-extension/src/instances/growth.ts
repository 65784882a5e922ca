/** Which instances have outgrown what they were when they began to answer: leaks of user code or of a library. Pure. */

/** Of so many first samples the largest is what an instance is compared with: models and caches come one by one. */
const BASELINE_SAMPLES = 3;

interface Grown {
  baselineBytes: number;
  samples: number;
  bytes: number;
}

export class GrowthWatch {
  readonly #bytesMax: number;
  readonly #instances = new Map<number, Grown>();

  /** @param bytesMax private bytes above its own baseline that an instance may have; 0 for any */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Private bytes by instance. */
  measured(samples: ReadonlyMap<number, number>): void {
    for (const [id, bytes] of samples) {
      const { baselineBytes, samples: before } = this.#instances.get(id) ?? { baselineBytes: 0, samples: 0 };
      const isFirst = before < BASELINE_SAMPLES;
      const baseline = isFirst ? Math.max(baselineBytes, bytes) : baselineBytes;
      this.#instances.set(id, { baselineBytes: baseline, samples: before + 1, bytes });
    }
  }

  /** Bytes by which an instance has outgrown its baseline, where that is more than it may; else 0. */
  excess(id: number): number {
    const { bytes = 0, baselineBytes = 0 } = this.#instances.get(id) ?? {};
    const grownBytes = bytes - baselineBytes;
    return this.#bytesMax > 0 && grownBytes > this.#bytesMax ? grownBytes : 0;
  }

  forget(id: number): void {
    this.#instances.delete(id);
  }
}
