import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it that are missing.
 *
 * Not by Node's own recursion, which tries for ever where a folder exists and yet nothing can be made in it (`/proc`).
 * @param path absolute
 * @param mode of each folder that is made, before the process's mask
 * @throws Error of the level that cannot be made, such as `ENOENT`, `ENOTDIR`, `EACCES`; `EEXIST` where a file is in
 *   the way
 */
export function makeFolder(path: string, mode = 0o777): void {
  if (isFolder(path)) return;
  if (!existsSync(dirname(path))) makeFolder(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    // Somebody else may have made it meanwhile.
    if (!isFolder(path)) throw error;
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
