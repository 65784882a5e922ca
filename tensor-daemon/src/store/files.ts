import { createHash } from 'node:crypto';
import { closeSync, fchmodSync, fsyncSync, linkSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';

/** Bytes copied at a time. */
const CHUNK_BYTES = 4 * 1024 * 1024;

/** Published files are immutable. */
const PUBLISHED_MODE = 0o444;

/** True for a Node file system error with one of these codes, from whatever realm. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && codes.includes(String(error.code));
}

/** Makes the entries of a folder durable. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Removes a file that may be gone already. @returns whether it was there */
export function unlinkIfPresent(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

/** Links a file to a second name. @returns false where the name exists already */
export function linkIfAbsent(path: string, name: string): boolean {
  try {
    linkSync(path, name);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/**
 * Writes a new file and hashes what it writes: the digest is of these bytes, whatever anybody claims. Every byte is
 * written, padding included, because whoever first touches a hole of a tmpfs file is charged for the page.
 */
export class HashingWriter {
  readonly #hash = createHash('sha256');
  readonly #file: number;
  #bytes = 0;

  /** @param scope among whom the file is shared; empty: all. In another scope the same bytes have another digest. */
  constructor(path: string, scope = '') {
    this.#file = openSync(path, 'wx', PUBLISHED_MODE);
    if (scope !== '') this.#hash.update(`${scope}\0`);
  }

  get bytes(): number {
    return this.#bytes;
  }

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at += writeSync(this.#file, bytes, at);
    this.#hash.update(bytes);
    this.#bytes += bytes.length;
  }

  /** Copies a range of another file. @throws RangeError where that file ends before the range does */
  copy(file: number, { offset, length }: { offset: number; length: number }): void {
    const chunk = Buffer.allocUnsafe(Math.min(length, CHUNK_BYTES));
    for (let done = 0; done < length;) {
      const read = readSync(file, chunk, 0, Math.min(chunk.length, length - done), offset + done);
      if (read === 0) throw new RangeError(`the file ends at ${offset + done}, before the range does`);
      this.write(chunk.subarray(0, read));
      done += read;
    }
  }

  /** Zeros up to `offset`. */
  padTo(offset: number): void {
    if (offset > this.#bytes) this.write(new Uint8Array(offset - this.#bytes));
  }

  /** Ends the file. @returns SHA-256 of its content */
  finish(sync: boolean): string {
    fchmodSync(this.#file, PUBLISHED_MODE);
    if (sync) fsyncSync(this.#file);
    closeSync(this.#file);
    return this.#hash.digest('hex');
  }

  abandon(): void {
    closeSync(this.#file);
  }
}
