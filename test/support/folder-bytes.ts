import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes that a file, or all files under a folder, take; what goes meanwhile counts as none. */
export function folderBytes(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 0;
  if (!stats.isDirectory()) return stats.blocks * 512;
  return namesIn(path).reduce((sum, name) => sum + folderBytes(join(path, name)), 0);
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
