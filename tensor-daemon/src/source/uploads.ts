import { createHash, randomBytes } from 'node:crypto';
import { renameSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { PluginError, type UploadReply } from '@tetris/common';
import { faultPoint } from '../fault';
import type { Cleanups } from '../store/cleanups';
import { hasCode, unlinkIfPresent } from '../store/files';
import { ANYBODY, type Tenant } from '../tenant';
import { type UploadEntry, type UploadLimits, UploadRoom } from './upload-room';

export interface UploadsOptions extends UploadLimits {
  uploadTtlMs: number;
}

interface Upload {
  entry: UploadEntry;
  /** When it goes unless somebody holds it, epoch ms. */
  expiresMs: number;
}

/**
 * Files of models on their way in: kept under the digest of what arrived until they are in the store, or for a while
 * where nobody asks for them.
 */
export class Uploads {
  readonly #folder: string;
  readonly #options: UploadsOptions;
  readonly #makeRoom: (bytes: number) => Promise<void>;
  readonly #cleanups: Cleanups;
  readonly #now: () => number;
  readonly #room: UploadRoom;
  readonly #uploads = new Map<string, Upload>();
  /** Who needs an upload, by its name: it may be on its way yet. */
  readonly #holds = new Map<string, { holders: number; isDone: boolean }>();

  /**
   * @param makeRoom makes room in the store for so many more bytes, or throws `ERR_STORE_FULL`
   * @param cleanups where removals go that fail: what is still there counts
   */
  constructor(
    folder: string,
    options: UploadsOptions,
    makeRoom: (bytes: number) => Promise<void>,
    cleanups: Cleanups,
    now: () => number,
  ) {
    this.#cleanups = cleanups;
    this.#folder = folder;
    this.#options = options;
    this.#makeRoom = makeRoom;
    this.#now = now;
    this.#room = new UploadRoom(options);
  }

  get bytes(): number {
    return this.#room.bytes;
  }

  /** Most that one may have, and how many files a model may have that is uploaded. */
  get most(): { bytes: number; files: number } {
    return this.#room.most;
  }

  /**
   * Takes bytes in; their digest is computed here. The body is left as it is on failure, so that its sender can be
   * answered.
   *
   * @param tenant who may lease it afterwards, and whose limits hold
   * @param onBytes told how many have arrived
   * @param bytesMax limit of this one
   * @throws PluginError `ERR_UPLOAD_LIMIT`, `ERR_MODEL_TOO_LARGE`, `ERR_STORE_FULL`; nothing is kept then
   */
  async receive(
    body: Readable,
    tenant: Tenant = ANYBODY,
    onBytes: (bytes: number) => void = () => undefined,
    bytesMax = Infinity,
  ): Promise<UploadReply> {
    return this.#arrive(tenant, async (path, entry) => {
      const file = await open(path, 'wx', 0o444);
      faultPoint('upload:begun');
      try {
        const hash = createHash('sha256');
        for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
          await this.#grow(entry, chunk.length, bytesMax);
          hash.update(chunk);
          await file.writeFile(chunk);
          onBytes(entry.bytes);
        }
        return hash.digest('hex');
      } finally {
        await file.close();
      }
    });
  }

  /**
   * Takes in bytes that somebody else brings and checks.
   *
   * @param bring puts them at a path
   * @throws PluginError `ERR_UPLOAD_LIMIT`, `ERR_STORE_FULL`, or what `bring` throws; nothing is kept then
   */
  async place(
    { sha256, bytes }: UploadReply,
    tenant: Tenant,
    bring: (path: string) => Promise<void>,
  ): Promise<UploadReply> {
    return this.#arrive(tenant, async (path, entry) => {
      await this.#grow(entry, bytes, bytes);
      await bring(path);
      return sha256;
    });
  }

  /** @param write puts bytes at a path, has them admitted, and tells their digest */
  async #arrive(tenant: Tenant, write: (path: string, entry: UploadEntry) => Promise<string>): Promise<UploadReply> {
    this.expire(this.#now());
    const entry = this.#room.enter(tenant.namespace);
    const path = join(this.#folder, `.${randomBytes(8).toString('hex')}`);
    try {
      const sha256 = await write(path, entry);
      faultPoint('upload:written');
      renameSync(path, this.path(sha256, tenant));
      faultPoint('upload:kept');
      this.#keep(nameOf(sha256, tenant), entry);
      return { sha256, bytes: entry.bytes };
    } catch (error) {
      await this.#cleanups.attempt(path, () => {
        unlinkIfPresent(path);
        this.#room.leave(entry);
      });
      if (hasCode(error, 'ENOSPC', 'EDQUOT')) throw noSpace(error);
      throw error;
    }
  }

  /** The same again takes the place of what was there. */
  #keep(name: string, entry: UploadEntry): void {
    const earlier = this.#uploads.get(name);
    if (earlier !== undefined) this.#room.leave(earlier.entry);
    this.#uploads.set(name, { entry, expiresMs: this.#now() + this.#options.uploadTtlMs });
  }

  async #grow(entry: UploadEntry, bytes: number, bytesMax: number): Promise<void> {
    this.#room.grow(entry, bytes, bytesMax);
    await this.#makeRoom(bytes);
  }

  /** Somebody needs an upload, which may be on its way yet: it stays until all who hold it have let it go. */
  hold(sha256: string, tenant: Tenant): void {
    const name = nameOf(sha256, tenant);
    const hold = this.#holds.get(name) ?? { holders: 0, isDone: false };
    hold.holders += 1;
    this.#holds.set(name, hold);
  }

  /** @param isDone its model is in the store: it goes with its last holder, and does not wait for its time */
  letGo(sha256: string, tenant: Tenant, isDone: boolean): void {
    const name = nameOf(sha256, tenant);
    const hold = this.#holds.get(name);
    if (hold === undefined) return;
    hold.holders -= 1;
    hold.isDone ||= isDone;
    if (hold.holders > 0) return;
    this.#holds.delete(name);
    if (hold.isDone) this.#remove(name);
  }

  expire(nowMs: number): void {
    for (const [name, { expiresMs }] of this.#uploads) {
      if (expiresMs <= nowMs && !this.#holds.has(name)) this.#remove(name);
    }
  }

  #remove(name: string): void {
    const upload = this.#uploads.get(name);
    const key = `upload ${name}`;
    if (upload === undefined || this.#cleanups.has(key)) return;
    // Whatever becomes of the first attempt, nobody has to wait for it.
    upload.expiresMs = -Infinity;
    void this.#cleanups.attempt(key, () => {
      // By a later attempt it may have come again, or be needed.
      if (this.#uploads.get(name) !== upload || this.#holds.has(name)) return;
      unlinkIfPresent(join(this.#folder, name));
      this.#uploads.delete(name);
      this.#room.leave(upload.entry);
    });
  }

  has(sha256: string, tenant: Tenant = ANYBODY): boolean {
    return this.#uploads.has(nameOf(sha256, tenant));
  }

  /** Bytes of one; 0 where it is not here. */
  bytesOf(sha256: string, tenant: Tenant): number {
    return this.#uploads.get(nameOf(sha256, tenant))?.entry.bytes ?? 0;
  }

  /** Where one lies, where there is one. */
  path(sha256: string, tenant: Tenant): string {
    return join(this.#folder, nameOf(sha256, tenant));
  }
}

/** What the names of uploads look like. */
export const UPLOAD_NAME = /^(?:[0-9a-f]{64}-)?[0-9a-f]{64}$/;

/** Name of an upload's file: in another scope, another. */
export function nameOf(sha256: string, { scope }: Tenant): string {
  if (scope === '') return sha256;
  return `${createHash('sha256').update(scope).digest('hex')}-${sha256}`;
}

function noSpace(cause: unknown): PluginError {
  return new PluginError('ERR_STORE_FULL', 'no space is left for the upload', { retriable: true, cause });
}
