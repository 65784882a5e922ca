import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Bytes that files, or all files under folders, take; one with several names counts once, what goes meanwhile as none.
 */
export function folderBytes(...paths: readonly string[]): number {
  const sizes = new Map<number, number>();
  for (const path of paths) collect(path, sizes);
  return [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** @param sizes by inode, of one file system */
function collect(path: string, sizes: Map<number, number>): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (stats.isDirectory()) for (const name of namesIn(path)) collect(join(path, name), sizes);
  else sizes.set(stats.ino, stats.blocks * 512);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
