/** Memory of process containers, read from /proc. */
import { readFile } from 'node:fs/promises';

/** A process and its descendants, by the kernel's own lists of children. Gone ones are left out. */
export async function processTree(pid: number): Promise<number[]> {
  const children = await readText(`/proc/${pid}/task/${pid}/children`);
  if (children === undefined) return [];
  const pids = children.split(' ').filter((text) => text !== '');
  const below = await Promise.all(pids.map((text) => processTree(Number(text))));
  return [pid, ...below.flat()];
}

/**
 * Anonymous memory of a process tree, bytes: what a memory limit is compared with. It leaves out every mapped file,
 * hence the shared tensors, and is cheap enough to be read several times a second.
 */
export async function anonymousBytes(pid: number): Promise<number> {
  const sizes = await Promise.all(
    (await processTree(pid)).map(async (member) => {
      const status = (await readText(`/proc/${member}/status`)) ?? '';
      return kilobytes(status, 'RssAnon') + kilobytes(status, 'VmSwap');
    }),
  );
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

/**
 * Private memory of a process tree, bytes: its proportional share (PSS) of every mapping except those below
 * `sharedPath`. Tensors count once, in the store; a library that ten instances map counts a tenth in each.
 */
export async function privateBytesOf(pid: number, sharedPath: string | undefined): Promise<number | undefined> {
  const sizes = await Promise.all(
    (await processTree(pid)).map(async (member) =>
      privateOf((await readText(`/proc/${member}/smaps`)) ?? '', sharedPath),
    ),
  );
  return sizes.length === 0 ? undefined : sizes.reduce((sum, bytes) => sum + bytes, 0);
}

/** Sums the Pss lines of a `smaps` text, without mappings below a path. */
export function privateOf(smaps: string, sharedPath: string | undefined): number {
  let bytes = 0;
  let shared = false;
  for (const line of smaps.split('\n')) {
    if (line.startsWith('Pss:')) bytes += shared ? 0 : kilobytes(line, 'Pss');
    else if (/^[0-9a-f]+-/.test(line)) shared = sharedPath !== undefined && line.includes(sharedPath);
  }
  return bytes;
}

function kilobytes(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
}

/** Undefined where the process is gone. */
async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return undefined;
  }
}
