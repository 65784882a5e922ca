import { readSync } from 'node:fs';

/** Bytes that are read in pieces, wherever they are. */
export interface ByteSource {
  /** How many there are. */
  readonly bytes: number;
  /** Those from `at` on, as many as are at hand; none where there are no more. Valid until the next call. */
  from(at: number): Uint8Array;
}

const WINDOW_BYTES = 64 * 1024;

/** Bytes in memory. */
export function memorySource(content: Uint8Array): ByteSource {
  return { bytes: content.byteLength, from: (at) => content.subarray(at) };
}

/** An open file, `bytes` long, through a window that moves over it. Its owner closes it. */
export function fileSource(file: number, bytes: number): ByteSource {
  const window = Buffer.allocUnsafe(WINDOW_BYTES);
  return { bytes, from: (at) => window.subarray(0, readSync(file, window, 0, WINDOW_BYTES, at)) };
}
