/** Seeded pseudo-random numbers, fast enough to fill hundreds of megabytes of weights. */

/** A number that is spread evenly around a centre. */
export interface Spread {
  center: number;
  /** Values lie in [center - limit, center + limit]. */
  limit: number;
}

/** Marsaglia's xorshift32: one 32-bit state, never zero, period 2^32 - 1. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = scramble(seed) || 1;
  }

  /** Fills `out` and leaves the generator behind the last value: filling in pieces gives the same numbers. */
  fill(out: Float32Array, { center, limit }: Spread): void {
    const scale = limit / 0x8000_0000;
    let state = this.#state;
    for (let index = 0; index < out.length; index += 1) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      out[index] = center + state * scale;
    }
    this.#state = state;
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    const value = new Float32Array(1);
    this.fill(value, { center: 0.5, limit: 0.5 });
    return Math.min(bound - 1, Math.floor((value[0] ?? 0) * bound));
  }
}

/** The seed of a named part: parts with different names draw unrelated numbers from one seed (FNV-1a). */
export function seedOf(seed: number, name: string): number {
  let hash = scramble(seed) ^ 0x811c_9dc5;
  for (let index = 0; index < name.length; index += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x0100_0193);
  }
  return hash >>> 0;
}

/** MurmurHash3's finalizer: neighbouring seeds become unlike states. */
function scramble(seed: number): number {
  let hash = seed >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) | 0;
}
