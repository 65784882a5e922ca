import { renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { faultPoint } from '../fault';

/**
 * Removes files in two steps: out of sight at once, by a rename; then off the event loop, because freeing the pages of
 * a gigabyte takes the kernel a tenth of a second, for which nobody's lease should wait.
 */
export class Trash {
  readonly #folder: string;
  #count = 0;
  #bytes = 0;
  #emptied: Promise<void> = Promise.resolve();

  /** @param folder on the file system of what is thrown away; swept at start */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Bytes out of sight that are not freed yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Throws a file or folder away. @throws the file system's error where it cannot be renamed */
  add(path: string, bytes = 0): void {
    const doomed = join(this.#folder, `trash-${this.#count++}`);
    renameSync(path, doomed);
    faultPoint('trash:renamed');
    this.#bytes += bytes;
    this.#emptied = this.#emptied
      .then(() => rm(doomed, { recursive: true, force: true }))
      .finally(() => (this.#bytes -= bytes));
  }

  /** Resolves when all that has been thrown away is freed. */
  emptied(): Promise<void> {
    return this.#emptied;
  }
}
