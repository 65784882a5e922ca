import { createHash, randomUUID } from 'node:crypto';
import { link, open, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, PluginError } from '../errors';
import { changeAmongWriters, type DocumentStore, documentText } from './document-store';
import { makeFolder } from '../files/make-folder';

/**
 * Versions that others may still have read, and files left half done, are cleared away at this age; writers are faster.
 */
const CLEARED_MS = 60_000;

interface Present {
  version: number;
  value: unknown;
}

/**
 * Documents in a folder that several processes may use at once, without a lock that one of them could leave behind.
 *
 * A document is `<hash of its id>.<version>.json`; the highest version counts. A writer links its file under the
 * version after the one it has read, which only one can do; the others read again. A version is cleared away so long
 * after a newer one came that nobody can take its place.
 */
export class FolderDocuments implements DocumentStore {
  readonly #folder: string;

  /** @param folder created when something is written */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async getDocument(id: string): Promise<unknown> {
    return this.#tried(async () => (await this.#present(id))?.value);
  }

  async changeDocument(id: string, change: (present: unknown) => unknown): Promise<void> {
    await changeAmongWriters(id, async () => {
      const present = await this.#tried(() => this.#present(id));
      const text = documentText(id, change(present?.value));
      return this.#tried(() => this.#put(id, (present?.version ?? 0) + 1, text));
    });
  }

  async #present(id: string): Promise<Present | undefined> {
    for (;;) {
      const version = Math.max(0, ...(await this.#versions(id)));
      if (version === 0) return undefined;
      const text = await ifThere(readFile(this.#path(id, version), 'utf8'));
      // Gone meanwhile: a newer one is there.
      if (text !== undefined) return { version, value: this.#parsed(id, version, text) };
    }
  }

  /** @returns false where another writer was first */
  async #put(id: string, version: number, text: string): Promise<boolean> {
    makeFolder(this.#folder, 0o700);
    const target = this.#path(id, version);
    const part = join(this.#folder, `${randomUUID()}.part`);
    try {
      await writeSynced(part, text);
      await link(part, target);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    } finally {
      await ifThere(unlink(part));
    }
    await this.#clear(id, version);
    return true;
  }

  async #versions(id: string): Promise<number[]> {
    const stem = stemOf(id);
    const names = (await ifThere(readdir(this.#folder))) ?? [];
    return names.flatMap((name) => {
      const [, of, version] = /^([0-9a-f]{64})\.(\d+)\.json$/.exec(name) ?? [];
      return of === stem ? [Number(version)] : [];
    });
  }

  async #clear(id: string, newest: number): Promise<void> {
    const parts = (await readdir(this.#folder)).filter((name) => name.endsWith('.part'));
    const older = (await this.#versions(id)).filter((version) => version < newest);
    const paths = [
      ...parts.map((name) => join(this.#folder, name)),
      ...older.map((version) => this.#path(id, version)),
    ];
    for (const path of paths) {
      const { mtimeMs } = (await ifThere(stat(path))) ?? { mtimeMs: Infinity };
      if (Date.now() - mtimeMs > CLEARED_MS) await ifThere(unlink(path));
    }
  }

  #parsed(id: string, version: number, text: string): unknown {
    try {
      return (JSON.parse(text) as { value?: unknown }).value;
    } catch (error) {
      const path = this.#path(id, version);
      throw new PluginError('ERR_DOCUMENT_INVALID', `document ${id} in ${path} is no JSON`, { cause: error });
    }
  }

  #path(id: string, version: number): string {
    return join(this.#folder, `${stemOf(id)}.${version}.json`);
  }

  async #tried<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof PluginError) throw error;
      const text = `folder ${this.#folder}: ${errorMessage(error)}`;
      throw new PluginError('ERR_STORE_UNAVAILABLE', text, { retriable: true, cause: error });
    }
  }
}

/** Ids may hold what a file name cannot. */
const stemOf = (id: string): string => createHash('sha256').update(id).digest('hex');

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
