import { createHash, randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, renameSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import type { Readable } from 'node:stream';
import { type ModelSource, PluginError, type UploadReply } from '@tetris/common';
import { faultPoint } from '../fault';
import { hasCode, unlinkIfPresent } from '../store/files';
import { GRAPH_FILE } from '../store/layout';
import type { ModelFiles } from './model-files';

export interface UploadLimits {
  uploadsMax: number;
  uploadBytesMax: number;
  uploadTtlMs: number;
}

interface Upload {
  bytes: number;
  expiresMs: number;
}

/** Models on their way in: kept for a while under the digest of what arrived, for a lease to find. */
export class Uploads {
  readonly #folder: string;
  readonly #limits: UploadLimits;
  readonly #room: (bytes: number) => Promise<void>;
  readonly #now: () => number;
  readonly #uploads = new Map<string, Upload>();
  readonly #underway = new Set<{ bytes: number }>();

  /** @param room makes room for so many more bytes, or throws `ERR_STORE_FULL` */
  constructor(folder: string, limits: UploadLimits, room: (bytes: number) => Promise<void>, now: () => number) {
    this.#folder = folder;
    this.#limits = limits;
    this.#room = room;
    this.#now = now;
  }

  get bytes(): number {
    return [...this.#uploads.values(), ...this.#underway].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * Takes bytes in; their digest is computed here. The body is left as it is on failure, so that its sender can be
   * answered.
   *
   * @param onBytes told how many have arrived
   * @param bytesMax limit of this one
   * @throws PluginError `ERR_UPLOAD_LIMIT`, `ERR_MODEL_TOO_LARGE`, `ERR_STORE_FULL`; nothing is kept then
   */
  async receive(
    body: Readable,
    onBytes: (bytes: number) => void = () => undefined,
    bytesMax = this.#limits.uploadBytesMax,
  ): Promise<UploadReply> {
    const { uploadsMax, uploadTtlMs } = this.#limits;
    this.expire(this.#now());
    if (this.#uploads.size + this.#underway.size >= uploadsMax) throw limit(`${uploadsMax} uploads are kept already`);
    const arriving = { bytes: 0 };
    this.#underway.add(arriving);
    const path = join(this.#folder, `.${randomBytes(8).toString('hex')}`);
    const file = await open(path, 'wx', 0o444);
    faultPoint('upload:begun');
    try {
      const hash = createHash('sha256');
      for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        await this.#admit(arriving, chunk.length, bytesMax);
        hash.update(chunk);
        await file.writeFile(chunk);
        onBytes(arriving.bytes);
      }
      const sha256 = hash.digest('hex');
      faultPoint('upload:written');
      renameSync(path, this.path(sha256));
      faultPoint('upload:kept');
      this.#uploads.set(sha256, { bytes: arriving.bytes, expiresMs: this.#now() + uploadTtlMs });
      return { sha256, bytes: arriving.bytes };
    } catch (error) {
      unlinkIfPresent(path);
      if (hasCode(error, 'ENOSPC', 'EDQUOT')) throw noSpace(error);
      throw error;
    } finally {
      this.#underway.delete(arriving);
      await file.close();
    }
  }

  async #admit(arriving: { bytes: number }, bytes: number, bytesMax: number): Promise<void> {
    const { uploadBytesMax } = this.#limits;
    if (arriving.bytes + bytes > bytesMax) {
      throw new PluginError('ERR_MODEL_TOO_LARGE', `it has more than ${bytesMax} bytes, the limit`);
    }
    if (this.bytes + bytes > uploadBytesMax) throw limit(`uploads may have ${uploadBytesMax} bytes together`);
    arriving.bytes += bytes;
    await this.#room(bytes);
  }

  expire(nowMs: number): void {
    for (const [sha256, { expiresMs }] of this.#uploads) {
      if (expiresMs > nowMs) continue;
      this.#uploads.delete(sha256);
      unlinkIfPresent(this.path(sha256));
    }
  }

  has(sha256: string): boolean {
    return this.#uploads.has(sha256);
  }

  path(sha256: string): string {
    return join(this.#folder, sha256);
  }

  /** The model with this digest. Its bytes are asked for only when it must be ingested. */
  files({ sha256, externalData }: Extract<ModelSource, { kind: 'digest' }>): ModelFiles {
    const sorted = [...externalData].sort((one, other) => (one.location < other.location ? -1 : 1));
    const all = [sha256, ...sorted.map((file) => file.sha256)];
    const uploads = this.#uploads;
    const folder = this.#folder;
    return {
      sha256,
      externalData: sorted,
      get bytes() {
        return all.reduce((sum, digest) => sum + (uploads.get(digest)?.bytes ?? 0), 0);
      },
      async stage(target) {
        const link = (digest: string, location: string): void => {
          const path = join(target, checkedLocation(location));
          if (!existsSync(join(folder, digest))) throw unknown(digest);
          mkdirSync(dirname(path), { recursive: true });
          linkSync(join(folder, digest), path);
        };
        link(sha256, GRAPH_FILE);
        for (const file of sorted) link(file.sha256, file.location);
        return join(target, GRAPH_FILE);
      },
      async verify() {
        // Nobody but the daemon writes to uploads.
      },
    };
  }
}

/** @throws PluginError `ERR_MODEL_INVALID` where an external location would leave the model's folder */
export function checkedLocation(location: string): string {
  const path = normalize(location);
  if (location === '' || location.includes('\0') || isAbsolute(path) || path.split('/').includes('..')) {
    throw new PluginError('ERR_MODEL_INVALID', `its external data '${location}' lies outside its folder`);
  }
  return path;
}

function unknown(sha256: string): PluginError {
  return new PluginError('ERR_MODEL_UNKNOWN', `nothing is stored or uploaded with digest ${sha256}: upload it first`);
}

function noSpace(cause: unknown): PluginError {
  return new PluginError('ERR_STORE_FULL', 'no space is left for the upload', { retriable: true, cause });
}

function limit(reason: string): PluginError {
  return new PluginError('ERR_UPLOAD_LIMIT', reason, { retriable: true });
}
