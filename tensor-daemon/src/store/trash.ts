import { renameSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { faultPoint } from '../fault';
import { mappedInodes } from './mapped';

/** Something thrown away: a file by its inode, or a folder. */
interface TrashEntry {
  path: string;
  inode: number;
  bytes: number;
}

/**
 * Removes files in two steps: out of sight at once, by a rename; then off the event loop, because freeing the pages of
 * a gigabyte takes the kernel a tenth of a second, for which nobody's lease should wait. What somebody still has mapped
 * when its last name goes counts as bytes of the store until the mapping goes too.
 */
export class Trash {
  readonly #folder: string;
  readonly #dev: number;
  #count = 0;
  #pending: TrashEntry[] = [];
  #pendingBytes = 0;
  /** Bytes without a name that somebody maps, by inode. */
  #mapped = new Map<number, number>();
  #emptied: Promise<void> | undefined;

  /** @param folder on the file system of what is thrown away; swept at start */
  constructor(folder: string) {
    this.#folder = folder;
    this.#dev = statSync(folder).dev;
  }

  /** Bytes out of sight that are not freed yet, mapped ones included. */
  get bytes(): number {
    return this.#pendingBytes + this.mappedBytes;
  }

  /** Bytes that will be freed without anybody's doing. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get mappedBytes(): number {
    return [...this.#mapped.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Throws a file or folder away. @throws the file system's error where it cannot be renamed */
  add(path: string, bytes = 0): void {
    const doomed = join(this.#folder, `trash-${this.#count++}`);
    const { ino: inode } = statSync(path);
    renameSync(path, doomed);
    faultPoint('trash:renamed');
    this.#pending.push({ path: doomed, inode, bytes });
    this.#pendingBytes += bytes;
    this.#emptied ??= this.#empty().finally(() => (this.#emptied = undefined));
  }

  /** Resolves when all that has been thrown away is freed or known to be mapped. */
  async emptied(): Promise<void> {
    await this.#emptied;
  }

  /** Looks again who maps what has no name any more. */
  async settle(): Promise<void> {
    await this.emptied();
    const left = await mappedInodes(this.#dev, new Set(this.#mapped.keys()));
    for (const inode of this.#mapped.keys()) if (!left.has(inode)) this.#mapped.delete(inode);
  }

  async #empty(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      for (const { path } of batch) await rm(path, { recursive: true, force: true });
      // An inode number may come back with a new file; then the new file is what is mapped, and it is counted already.
      const files = new Map(batch.filter(({ bytes }) => bytes > 0).map(({ inode, bytes }) => [inode, bytes]));
      const mapped = await mappedInodes(this.#dev, new Set(files.keys()));
      for (const inode of mapped) this.#mapped.set(inode, files.get(inode) ?? 0);
      this.#pendingBytes -= batch.reduce((sum, { bytes }) => sum + bytes, 0);
    }
  }
}
