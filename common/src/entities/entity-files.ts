import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, readdir, readFile, rename, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, PluginError } from '../errors';
import { makeFolder } from '../files/make-folder';

/** A segment of the journal is closed at this many records or bytes, so that old ones can leave as whole files. */
const SEGMENT_RECORDS_MAX = 1_000;
const SEGMENT_BYTES_MAX = 16 * 1024 ** 2;

/** What was in the folder when it was opened. */
export interface StoredEntities {
  /** JSON texts of documents. */
  documents: string[];
  /** JSON texts of records, in the order in which they were appended, each with its segment. */
  records: { text: string; segment: number }[];
}

/**
 * The embedded store's folder: `documents/<hash>.json`, one file a document, replaced atomically; and
 * `records-<N>.ndjson`, an append-only journal in segments. A crash loses at most the records that were not yet
 * appended; a torn last line is cut off when the folder is opened again.
 */
export class EntityFiles {
  readonly #folder: string;
  #journal: FileHandle | undefined;
  #segment = 0;
  #segmentRecords = 0;
  #segmentBytes = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws PluginError `ERR_STORE_UNAVAILABLE` naming the folder */
  async load(): Promise<StoredEntities> {
    try {
      const documents = await this.#loadDocuments();
      const records: StoredEntities['records'] = [];
      for (const segment of await this.#segments()) {
        for (const text of await this.#loadSegment(segment)) records.push({ text, segment });
        this.#segment = segment;
      }
      return { documents, records };
    } catch (error) {
      throw new PluginError('ERR_STORE_UNAVAILABLE', `data folder ${this.#folder}: ${errorMessage(error)}`, {
        cause: error,
      });
    }
  }

  /** Replaces a document; after this resolves, it survives a crash of the machine too. */
  async writeDocument(id: string, text: string): Promise<void> {
    const path = this.#documentPath(id);
    const file = await open(`${path}.new`, 'w');
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
  }

  /** The segment that the next appended record belongs to. Starts a new one where the present one is full. */
  async nextSegment(): Promise<number> {
    const full = this.#segmentRecords >= SEGMENT_RECORDS_MAX || this.#segmentBytes >= SEGMENT_BYTES_MAX;
    if (this.#journal === undefined || full) {
      await this.#journal?.close();
      this.#segment += 1;
      this.#segmentRecords = 0;
      this.#segmentBytes = 0;
      this.#journal = await open(this.#segmentPath(this.#segment), 'a');
    }
    return this.#segment;
  }

  /** Appends records to the present segment. */
  async append(texts: readonly string[]): Promise<void> {
    const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(''));
    await this.#journal?.appendFile(bytes);
    this.#segmentRecords += texts.length;
    this.#segmentBytes += bytes.length;
  }

  async removeSegment(segment: number): Promise<void> {
    await rm(this.#segmentPath(segment), { force: true });
  }

  /** The segment that is being written, which must not be removed. */
  get currentSegment(): number {
    return this.#segment;
  }

  async close(): Promise<void> {
    await this.#journal?.close();
    this.#journal = undefined;
  }

  async #loadDocuments(): Promise<string[]> {
    const folder = join(this.#folder, 'documents');
    makeFolder(folder, 0o700);
    const names = await readdir(folder);
    await Promise.all(names.filter((name) => name.endsWith('.new')).map((name) => unlink(join(folder, name))));
    return Promise.all(
      names.filter((name) => name.endsWith('.json')).map((name) => readFile(join(folder, name), 'utf8')),
    );
  }

  async #segments(): Promise<number[]> {
    const numbers = (await readdir(this.#folder)).map((name) => /^records-(\d+)\.ndjson$/.exec(name)?.[1]);
    return numbers
      .filter((number) => number !== undefined)
      .map(Number)
      .sort((a, b) => a - b);
  }

  async #loadSegment(segment: number): Promise<string[]> {
    const file = await open(this.#segmentPath(segment), constants.O_RDWR);
    try {
      const bytes = await file.readFile();
      const end = bytes.lastIndexOf(0x0a) + 1;
      if (end < bytes.length) await file.truncate(end);
      return bytes
        .toString('utf8', 0, end)
        .split('\n')
        .filter((line) => line !== '');
    } finally {
      await file.close();
    }
  }

  #segmentPath(segment: number): string {
    return join(this.#folder, `records-${String(segment).padStart(8, '0')}.ndjson`);
  }

  /** Ids contain `/` and may be longer than a file name: the name is a hash, the id is inside. */
  #documentPath(id: string): string {
    return join(this.#folder, 'documents', `${createHash('sha256').update(id).digest('hex')}.json`);
  }
}
