/** Folders in memory with huge pages: a mapped tensor costs a page fault every 2 MiB and not every 64 KiB. */
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { isInside } from './inside';

/** Beside the files that are counted. */
const SPARE_BYTES = 16 * 1024 ** 2;

/**
 * Mounts a tmpfs with huge pages on a folder. `within_size` rounds nothing up: a file has huge pages as far as it fills
 * them, where its size was set before it was written.
 *
 * @param bytesMax what is to fit on it; the file system is a little larger
 * @returns undefined, or why that is not possible here; the folder is as it was then
 */
export async function mountHugePages(folder: string, bytesMax: number): Promise<string | undefined> {
  const options = `huge=within_size,size=${bytesMax + SPARE_BYTES},mode=0700,nosuid,nodev,noexec`;
  try {
    await promisify(execFile)('mount', ['-t', 'tmpfs', '-o', options, 'tetris-store', folder]);
    return undefined;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return (stderr?.trim() || message).split('\n')[0];
  }
}

/** Unmounts what is mounted on a folder or below it; what is in use goes when it no longer is. */
export function unmountBelow(folder: string): void {
  for (const at of mountsBelow(folder)) execFileSync('umount', ['--lazy', at], { stdio: 'ignore' });
}

/** The last one first. */
function mountsBelow(folder: string): string[] {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  const points = lines.map((line) => unescaped(line.split(' ')[1] ?? ''));
  return points.filter((at) => at !== '' && isInside(folder, at)).reverse();
}

/** Blanks and the like are written as octal numbers. */
const unescaped = (at: string): string =>
  at.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
