/** A booking takes effect in whole µs. */
const US_PER_MS = 1_000;

/** Pieces of a stream are at most a tenth of a second's worth, so that nobody waits long in silence. */
const PIECES_PER_SECOND = 10;
const PIECE_BYTES_MIN = 4 * 1024;

/**
 * When the next bytes may pass, so that no second sees more than its share. Its clock can be shared with other threads,
 * which then share the bandwidth.
 */
export class Bandwidth {
  readonly bytesPerSecond: number;
  readonly clock: SharedArrayBuffer;
  /** The µs at which the next bytes may pass. */
  readonly #freeUs: BigInt64Array;

  /** @param bytesPerSecond 0: no bound */
  constructor(bytesPerSecond: number, clock = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT)) {
    this.bytesPerSecond = bytesPerSecond;
    this.clock = clock;
    this.#freeUs = new BigInt64Array(clock);
  }

  get bounded(): boolean {
    return this.bytesPerSecond > 0;
  }

  /** Books `bytes`. @returns ms to wait before passing them on */
  book(bytes: number, nowMs: number): number {
    if (!this.bounded) return 0;
    const nowUs = BigInt(Math.ceil(nowMs * US_PER_MS));
    const takesUs = BigInt(Math.ceil((1_000 * US_PER_MS * bytes) / this.bytesPerSecond));
    for (;;) {
      const freeUs = Atomics.load(this.#freeUs, 0);
      const nextUs = (freeUs > nowUs ? freeUs : nowUs) + takesUs;
      if (Atomics.compareExchange(this.#freeUs, 0, freeUs, nextUs) === freeUs) {
        return Number(nextUs) / US_PER_MS - nowMs;
      }
    }
  }

  /** How much to read at a time, at most `bytesMax`. */
  pieceBytes(bytesMax: number): number {
    if (!this.bounded) return bytesMax;
    return Math.max(PIECE_BYTES_MIN, Math.min(bytesMax, Math.floor(this.bytesPerSecond / PIECES_PER_SECOND)));
  }
}

/** A clock that runs alike in all threads, ms. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / US_PER_MS;
}
