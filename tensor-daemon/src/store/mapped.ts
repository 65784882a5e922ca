/**
 * Which unlinked files somebody still has mapped. Their names are gone, their pages are not: they count until the last
 * mapping goes. `/proc/<pid>/maps` names every mapping by device and inode, across mount namespaces.
 */
import { readdir, readFile } from 'node:fs/promises';

/** `from-to perms offset major:minor inode  path` */
const MAPPING = /^\S+ \S+ \S+ ([0-9a-f]+:[0-9a-f]+) (\d+)/gm;

/** A file system as `/proc/<pid>/maps` writes it: major and minor in hex. */
export function deviceOf(dev: number): string {
  const major = (dev >>> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
  return [major, minor].map((part) => part.toString(16).padStart(2, '0')).join(':');
}

/** Inodes of a device that are mapped, by the text of a process's maps. */
export function inodesIn(maps: string, device: string): number[] {
  return [...maps.matchAll(MAPPING)].filter(([, where]) => where === device).map(([, , inode]) => Number(inode));
}

/**
 * Those of `inodes` that some process has mapped. Processes that may not be looked at (another user's, without
 * CAP_SYS_PTRACE) count as mapping nothing.
 */
export async function mappedInodes(dev: number, inodes: ReadonlySet<number>, proc = '/proc'): Promise<Set<number>> {
  const mapped = new Set<number>();
  if (inodes.size === 0) return mapped;
  const device = deviceOf(dev);
  for (const pid of await readdir(proc)) {
    if (!/^\d+$/.test(pid)) continue;
    const maps = await readFile(`${proc}/${pid}/maps`, 'utf8').catch(() => '');
    for (const inode of inodesIn(maps, device)) if (inodes.has(inode)) mapped.add(inode);
  }
  return mapped;
}
