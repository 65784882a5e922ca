import { totalmem } from 'node:os';

/** Less than this is not enough for onnxruntime and a small model. */
const INGEST_BYTES_MIN = 1024 ** 3;

export interface MemoryConfig {
  storeBytesMax: number;
  storeMemoryRatio: number;
  ingestMemoryBytesMax: number;
  ingestMemoryRatio: number;
}

/** Memory that this process may use: the machine's, or what its control group is given of it. */
export function machineMemory(total = totalmem(), constrained = process.constrainedMemory()): number {
  // Without a limit it is 0 or more than there is.
  return constrained > 0 ? Math.min(total, constrained) : total;
}

/** What of that the store may have, and the optimizer process, where they are not given so many bytes. */
export function memoryShares(
  { storeBytesMax, storeMemoryRatio, ingestMemoryBytesMax, ingestMemoryRatio }: MemoryConfig,
  memoryBytes: number,
): { storeBytes: number; ingestBytes: number } {
  return {
    storeBytes: storeBytesMax || Math.floor(memoryBytes * storeMemoryRatio),
    ingestBytes: ingestMemoryBytesMax || Math.max(INGEST_BYTES_MIN, Math.floor(memoryBytes * ingestMemoryRatio)),
  };
}
