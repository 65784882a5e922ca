import { createHash, randomBytes } from 'node:crypto';
import { createWriteStream, existsSync, linkSync, mkdirSync, renameSync } from 'node:fs';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type ModelSource, PluginError, type UploadReply } from '@tetris/common';
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
  readonly #now: () => number;
  readonly #uploads = new Map<string, Upload>();
  #underway = 0;
  #underwayBytes = 0;

  constructor(folder: string, limits: UploadLimits, now: () => number) {
    this.#folder = folder;
    this.#limits = limits;
    this.#now = now;
  }

  get bytes(): number {
    return [...this.#uploads.values()].reduce((sum, { bytes }) => sum + bytes, this.#underwayBytes);
  }

  /**
   * Takes bytes in; their digest is computed here.
   * @throws PluginError `ERR_UPLOAD_LIMIT` where a bound is hit; nothing is kept then
   */
  async receive(body: Readable): Promise<UploadReply> {
    const { uploadsMax, uploadTtlMs } = this.#limits;
    this.expire(this.#now());
    if (this.#uploads.size + this.#underway >= uploadsMax) throw limit(`${uploadsMax} uploads are kept already`);
    const path = join(this.#folder, `.${randomBytes(8).toString('hex')}`);
    this.#underway++;
    let bytes = 0;
    try {
      const hash = createHash('sha256');
      const meter = new Transform({
        transform: (chunk: Buffer, _encoding, done) => {
          if (this.bytes + chunk.length > this.#limits.uploadBytesMax) {
            done(limit(`uploads may have ${this.#limits.uploadBytesMax} bytes together`));
            return;
          }
          bytes += chunk.length;
          this.#underwayBytes += chunk.length;
          hash.update(chunk);
          done(null, chunk);
        },
      });
      await pipeline(body, meter, createWriteStream(path, { mode: 0o444 }));
      const sha256 = hash.digest('hex');
      renameSync(path, join(this.#folder, sha256));
      this.#uploads.set(sha256, { bytes, expiresMs: this.#now() + uploadTtlMs });
      return { sha256, bytes };
    } catch (error) {
      unlinkIfPresent(path);
      if (hasCode(error, 'ENOSPC', 'EDQUOT')) {
        throw new PluginError('ERR_STORE_FULL', 'no space is left for the upload', { retriable: true, cause: error });
      }
      throw error;
    } finally {
      this.#underway--;
      this.#underwayBytes -= bytes;
    }
  }

  expire(nowMs: number): void {
    for (const [sha256, { expiresMs }] of this.#uploads) {
      if (expiresMs > nowMs) continue;
      this.#uploads.delete(sha256);
      unlinkIfPresent(join(this.#folder, sha256));
    }
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

function limit(reason: string): PluginError {
  return new PluginError('ERR_UPLOAD_LIMIT', reason, { retriable: true });
}
