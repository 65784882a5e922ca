import { type FileHandle, open } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode } from '../store/files';
import { type Bandwidth, monotonicMs } from './rate-limit';

/** Bytes read and sent at a time, at most. */
const CHUNK_BYTES = 1024 * 1024;

/** What of a file is sent. */
export interface Part {
  /** From where on. */
  offset: number;
  /** Only how much there would be. */
  headOnly: boolean;
}

/** Answers with the first of these files that is there. @throws `ENOENT` where none is */
export async function sendFirst(
  response: ServerResponse,
  paths: readonly string[],
  { offset, headOnly }: Part,
  bandwidth: Bandwidth,
): Promise<void> {
  // Once open, the file can be read to its end even if it leaves the store.
  const file = await openFirst(paths);
  try {
    const { size } = await file.stat();
    if (offset > size) return void response.writeHead(416).end();
    response.writeHead(offset > 0 ? 206 : 200, { 'content-length': size - offset });
    if (!headOnly) await sendFrom(file, offset, response, bandwidth);
    response.end();
  } finally {
    await file.close();
  }
}

/** Sends a file from an offset on, through one buffer: a fresh one for each read costs as much as the read. */
async function sendFrom(
  file: FileHandle,
  offset: number,
  response: ServerResponse,
  bandwidth: Bandwidth,
): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(bandwidth.pieceBytes(CHUNK_BYTES));
  for (let at = offset; ;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return;
    const waitMs = bandwidth.book(bytesRead, monotonicMs());
    if (waitMs > 0) await delay(waitMs);
    await written(response, buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/** Resolves when the system has taken the bytes. */
function written(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const closed = (): void => reject(new Error('the peer has gone'));
    if (response.destroyed) return closed();
    response.once('close', closed);
    response.write(bytes, (error) => {
      response.removeListener('close', closed);
      if (error) reject(error);
      else resolve();
    });
  });
}

async function openFirst(paths: readonly string[]): Promise<FileHandle> {
  let missing: unknown = Object.assign(new Error('there is no file'), { code: 'ENOENT' });
  for (const path of paths) {
    try {
      return await open(path, 'r');
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
      missing = error;
    }
  }
  throw missing;
}
