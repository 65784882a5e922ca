import { setTimeout as delay } from 'node:timers/promises';

/** When the next bytes may pass, so that no second sees more than its share. Pure. */
export class Bandwidth {
  readonly #bytesPerSecond: number;
  #freeMs = 0;

  /** @param bytesPerSecond 0: no bound */
  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  get bounded(): boolean {
    return this.#bytesPerSecond > 0;
  }

  /** Books `bytes`. @returns ms to wait before passing them on */
  book(bytes: number, nowMs: number): number {
    if (this.#bytesPerSecond === 0) return 0;
    const startMs = Math.max(nowMs, this.#freeMs);
    this.#freeMs = startMs + (1_000 * bytes) / this.#bytesPerSecond;
    return this.#freeMs - nowMs;
  }
}

/** A stream within a bandwidth that it shares with others; itself where there is no bound. */
export function throttled<T extends AsyncIterable<Uint8Array>>(
  source: T,
  bandwidth: Bandwidth,
  signal?: AbortSignal,
): T | AsyncGenerator<Uint8Array, void, void> {
  return bandwidth.bounded ? paced(source, bandwidth, signal) : source;
}

async function* paced(
  source: AsyncIterable<Uint8Array>,
  bandwidth: Bandwidth,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of source) {
    const waitMs = bandwidth.book(chunk.length, performance.now());
    if (waitMs > 0) await delay(waitMs, undefined, signal === undefined ? {} : { signal });
    yield chunk;
  }
}
