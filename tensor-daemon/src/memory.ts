import { statfsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

/** Less than this is not enough for onnxruntime and a small model. */
const INGEST_BYTES_MIN = 1024 ** 3;

export interface MemoryConfig {
  storeBytesMax: number;
  storeMemoryRatio: number;
  ingestMemoryBytesMax: number;
  ingestMemoryRatio: number;
}

/** Size of the file system that a folder lies on; infinite where it has none, such as an unbounded tmpfs. */
export function fileSystemBytes(path: string): number {
  const { blocks, bsize } = statfsSync(path);
  return blocks === 0 ? Number.POSITIVE_INFINITY : blocks * bsize;
}

/**
 * What of that the store may have, and the optimizer process, where they are not given so many bytes. The store never
 * has more than its file system.
 */
export function memoryShares(
  { storeBytesMax, storeMemoryRatio, ingestMemoryBytesMax, ingestMemoryRatio }: MemoryConfig,
  memoryBytes: number,
  fileSystemBytes: number,
): { storeBytes: number; ingestBytes: number } {
  return {
    storeBytes: Math.min(storeBytesMax || Math.floor(memoryBytes * storeMemoryRatio), fileSystemBytes),
    ingestBytes: ingestMemoryBytesMax || Math.max(INGEST_BYTES_MIN, Math.floor(memoryBytes * ingestMemoryRatio)),
  };
}

/**
 * Memory pressure as the kernel tells it (PSI).
 *
 * @param text of `/proc/pressure/memory`
 * @returns percent of the last 10 s in which some task stalled on memory; undefined where the text is none
 */
export function parsePressure(text: string): number | undefined {
  const match = /^some avg10=([\d.]+)/m.exec(text);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

/** The machine's memory pressure now; undefined where the kernel has no PSI. */
export async function readPressure(path: string): Promise<number | undefined> {
  try {
    return parsePressure(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}
