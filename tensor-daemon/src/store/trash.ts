import { join } from 'node:path';
import { faultPoint } from '../fault';
import type { Cleanups } from './cleanups';
import { allocatedIn, removeTreeAside, rename, stat } from './files';
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
 * when its last name goes counts as bytes of the store until the mapping goes too; what cannot be removed counts until
 * a later attempt has removed it.
 */
export class Trash {
  readonly #folder: string;
  readonly #cleanups: Cleanups;
  readonly #dev: number;
  #count = 0;
  #pending: TrashEntry[] = [];
  #pendingBytes = 0;
  /** Bytes that could not be removed yet. */
  #stuckBytes = 0;
  /** Bytes without a name that somebody maps, by inode. */
  #mapped = new Map<number, number>();
  #emptied: Promise<void> | undefined;

  /** @param folder on the file system of what is thrown away; swept at start */
  constructor(folder: string, cleanups: Cleanups) {
    this.#folder = folder;
    this.#cleanups = cleanups;
    this.#dev = stat(folder)?.dev ?? 0;
  }

  /** Bytes out of sight that are not freed yet, stuck and mapped ones included. */
  get bytes(): number {
    return this.#pendingBytes + this.#stuckBytes + this.mappedBytes;
  }

  /** Bytes that are being freed now. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get mappedBytes(): number {
    return [...this.#mapped.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /**
   * Throws a file or folder away. @throws the file system's error where it cannot be renamed; it is where it was then
   */
  add(path: string, bytes = 0): void {
    const { ino: inode } = stat(path) ?? { ino: 0 };
    const entry = { path: join(this.#folder, `trash-${this.#count++}`), inode, bytes };
    rename(path, entry.path);
    faultPoint('trash:renamed');
    this.#pending.push(entry);
    this.#pendingBytes += bytes;
    this.#emptied ??= this.#empty();
  }

  /** Removes a folder of work under way, off the event loop. What is left of it counts. */
  async remove(path: string): Promise<void> {
    try {
      await removeTreeAside(path);
    } catch (error) {
      this.#keep({ path, inode: 0, bytes: leftIn(path) }, error);
    }
  }

  /** Resolves when all that has been thrown away is freed, known to be mapped, or waits for another attempt. */
  async emptied(): Promise<void> {
    await this.#emptied;
  }

  /** Looks again who maps what has no name any more. */
  async settle(): Promise<void> {
    await this.emptied();
    const left = await this.#mappedOf([...this.#mapped.keys()]);
    for (const inode of this.#mapped.keys()) if (!left.has(inode)) this.#mapped.delete(inode);
  }

  async #empty(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      const freed: TrashEntry[] = [];
      for (const entry of batch) {
        try {
          await removeTreeAside(entry.path);
          freed.push(entry);
        } catch (error) {
          this.#keep(entry, error);
        }
      }
      await this.#noteMapped(freed);
      this.#pendingBytes -= batch.reduce((sum, { bytes }) => sum + bytes, 0);
    }
    // In the same step as the last look: what comes from now on begins anew.
    this.#emptied = undefined;
  }

  #keep(entry: TrashEntry, error: unknown): void {
    this.#stuckBytes += entry.bytes;
    this.#cleanups.failed(entry.path, error, async () => {
      await removeTreeAside(entry.path);
      await this.#noteMapped([entry]);
      this.#stuckBytes -= entry.bytes;
    });
  }

  async #noteMapped(freed: readonly TrashEntry[]): Promise<void> {
    // An inode number may come back with a new file; then the new file is what is mapped, and it is counted already.
    const files = new Map(freed.filter(({ bytes }) => bytes > 0).map(({ inode, bytes }) => [inode, bytes]));
    for (const inode of await this.#mappedOf([...files.keys()])) this.#mapped.set(inode, files.get(inode) ?? 0);
  }

  /** Those of the inodes that are mapped; where that cannot be told now, all of them. */
  async #mappedOf(inodes: readonly number[]): Promise<ReadonlySet<number>> {
    const asked = new Set(inodes);
    return mappedInodes(this.#dev, asked).catch(() => asked);
  }
}

function leftIn(folder: string): number {
  try {
    return allocatedIn(folder, 1);
  } catch {
    return 0;
  }
}
