import { statfs } from 'node:fs/promises';

/** Where the stores are, and what they may hold. */
export interface StoreRoom {
  path: string;
  /** Bytes that the file system has room for now, all stores together. */
  freeBytes: number;
  /** Byte budget of each store. */
  bytesMax: number;
}

/**
 * The budget of each store: an invoker's memory, or its share of what the file system holds where that is less.
 * @param path an existing folder
 */
export async function storeRoom(
  path: string,
  { invokers, memory }: { invokers: number; memory: number },
): Promise<StoreRoom> {
  const { bavail, bsize } = await statfs(path);
  const freeBytes = bavail * bsize;
  return { path, freeBytes, bytesMax: Math.min(memory, Math.floor(freeBytes / invokers)) };
}

/** What to say of stores without huge pages. @param reason the mount's own words */
export const smallPagesNote = (reason: string): string =>
  `the tensor stores have small pages, and the first answer of a new instance takes longer (${reason}).`;

/** What to say of a file system that holds less than the memory; undefined of any other. */
export function roomWarning({ path, freeBytes, bytesMax }: StoreRoom, memory: number): string | undefined {
  if (bytesMax >= memory) return undefined;
  return (
    `${path} has room for ${Math.floor(freeBytes / 1024 ** 2)} MiB of tensors: models for which that is too little are loaded privately, ` +
    'without sharing. --store FOLDER keeps them elsewhere; in Docker, --shm-size makes more room.'
  );
}
