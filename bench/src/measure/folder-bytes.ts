import { type Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Allocated bytes of everything below a folder. A file with several names counts once; files that vanish count nothing.
 */
export async function folderBytes(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true }).catch(() => []);
  const seen = new Set<string>();
  let bytes = 0;
  for (const entry of entries) {
    const stats: Stats | undefined = await lstat(join(folder, entry)).catch(() => undefined);
    if (stats === undefined || seen.has(`${stats.dev}:${stats.ino}`)) continue;
    seen.add(`${stats.dev}:${stats.ino}`);
    bytes += 512 * stats.blocks;
  }
  return bytes;
}
