/**
 * The file operations of the store. Everything that changes its folders comes through here, past a hook by which tests
 * make any operation fail as a disk or a mount would.
 */
import {
  chmodSync,
  closeSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder as makeFolderAt } from '@tetris/common/files';

/** Size of the blocks that `st_blocks` counts. */
const BLOCK_BYTES = 512;

/**
 * Sets the size of a file that is about to be written in full: only then has a tmpfs with `huge=within_size` huge pages
 * for it.
 */
export const sizeFirst = (file: number, bytes: number): void => ftruncateSync(file, bytes);

export type FileOperation = 'link' | 'list' | 'make' | 'remove' | 'rename' | 'stat' | 'sync' | 'unlink' | 'write';

/** Called before an operation of this thread. What it throws, the operation throws. */
export type FileHook = (operation: FileOperation, path: string) => void;

let hook: FileHook | undefined;

/** For tests: sets the hook, or takes it away. */
export function hookFiles(next: FileHook | undefined): void {
  hook = next;
}

/** True for a Node file system error with one of these codes, from whatever realm. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && codes.includes(String(error.code));
}

/** Makes a folder, and those above it, where it is not there yet. @param mode set whatever the umask is */
export function makeFolder(path: string, mode: number): void {
  hook?.('make', path);
  makeFolderAt(path, mode);
  chmodSync(path, mode);
}

/** Names in a folder. */
export function list(path: string): string[] {
  hook?.('list', path);
  return readdirSync(path);
}

/** @returns undefined where there is nothing */
export function stat(path: string): Stats | undefined {
  hook?.('stat', path);
  return statSync(path, { throwIfNoEntry: false });
}

/** What a file takes: allocated blocks. */
export function allocated({ blocks }: Pick<Stats, 'blocks'>): number {
  return blocks * BLOCK_BYTES;
}

/** What the files in a folder take, sub-folders included. @param namesMax files with more names count nothing */
export function allocatedIn(folder: string, namesMax = Number.POSITIVE_INFINITY): number {
  let total = 0;
  for (const name of list(folder)) {
    const stats = stat(join(folder, name));
    if (stats?.isDirectory() === true) total += allocatedIn(join(folder, name), namesMax);
    else if (stats !== undefined && stats.nlink <= namesMax) total += allocated(stats);
  }
  return total;
}

export function write(path: string, content: string | Uint8Array, { sync = false, mode = 0o644 } = {}): void {
  hook?.('write', path);
  writeFileSync(path, content, { mode, flush: sync });
}

/** Makes the entries of a folder durable. */
export function syncFolder(path: string): void {
  hook?.('sync', path);
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

export function rename(from: string, to: string): void {
  hook?.('rename', from);
  renameSync(from, to);
}

/** Gives a file a second name. */
export function link(path: string, name: string): void {
  hook?.('link', name);
  linkSync(path, name);
}

/** The same. @returns false where the name exists already */
export function linkIfAbsent(path: string, name: string): boolean {
  try {
    link(path, name);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Removes a file that may be gone already. @returns whether it was there */
export function unlinkIfPresent(path: string): boolean {
  hook?.('unlink', path);
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

/** Removes a file or folder, where it is there, at once. */
export function removeTree(path: string): void {
  hook?.('remove', path);
  rmSync(path, { recursive: true, force: true });
}

/** The same off the event loop: to free the pages of a gigabyte takes the kernel a tenth of a second. */
export async function removeTreeAside(path: string): Promise<void> {
  hook?.('remove', path);
  await rm(path, { recursive: true, force: true });
}
