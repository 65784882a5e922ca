import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

const CHUNK_BYTES = 1024 ** 2;

/** SHA-256 of chunks as they come, in hexadecimal. What produces them is closed by its own iterator. */
export async function hashStream(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> {
  // Not imported above: an instance hashes when the daemon cannot open its model only, and the module takes 0.35 MB.
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256');
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}

/**
 * SHA-256 of a file's bytes from its start, in hexadecimal.
 *
 * @param file a path, or an open file, which stays open and keeps its position
 */
export async function hashFile(file: string | FileHandle): Promise<string> {
  return hashStream(typeof file === 'string' ? createReadStream(file, { highWaterMark: CHUNK_BYTES }) : chunksOf(file));
}

/** The chunk is one buffer that is filled again and again. */
async function* chunksOf(file: FileHandle): AsyncGenerator<Uint8Array> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let at = 0; ;) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, at);
    if (bytesRead === 0) return;
    yield chunk.subarray(0, bytesRead);
    at += bytesRead;
  }
}
