import { createHash, randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, renameSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import type { Readable } from 'node:stream';
import { type ModelSource, PluginError, type UploadReply } from '@tetris/common';
import { faultPoint } from '../fault';
import { hasCode, unlinkIfPresent } from '../store/files';
import { ANYBODY, type Tenant } from '../tenant';
import { GRAPH_FILE } from '../store/layout';
import type { ModelFiles } from './model-files';
import { readModel } from './read-model';

export interface UploadLimits {
  uploadsMax: number;
  uploadBytesMax: number;
  uploadTtlMs: number;
  uploadsPerNamespaceMax: number;
  uploadBytesPerNamespaceMax: number;
}

interface Upload {
  bytes: number;
  /** Of whoever sent it. */
  namespace: string;
  expiresMs: number;
}

/** An upload that is not whole yet. */
type Arriving = Pick<Upload, 'bytes' | 'namespace'>;

type ExternalFile = Extract<ModelSource, { kind: 'digest' }>['externalData'][number];

/** Models on their way in: kept for a while under the digest of what arrived, for a lease to find. */
export class Uploads {
  readonly #folder: string;
  readonly #limits: UploadLimits;
  readonly #room: (bytes: number) => Promise<void>;
  readonly #now: () => number;
  readonly #uploads = new Map<string, Upload>();
  readonly #underway = new Set<Arriving>();

  /** @param room makes room for so many more bytes, or throws `ERR_STORE_FULL` */
  constructor(folder: string, limits: UploadLimits, room: (bytes: number) => Promise<void>, now: () => number) {
    this.#folder = folder;
    this.#limits = limits;
    this.#room = room;
    this.#now = now;
  }

  get bytes(): number {
    return sumOf(this.#all());
  }

  #all(): Arriving[] {
    return [...this.#uploads.values(), ...this.#underway];
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
    bytesMax = this.#limits.uploadBytesMax,
  ): Promise<UploadReply> {
    return this.#arrive(tenant, async (path, arriving) => {
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
    return this.#arrive(tenant, async (path, arriving) => {
      await this.#admit(arriving, bytes, bytes);
      await bring(path);
      return sha256;
    });
  }

  /** @param write puts bytes at a path, has them admitted, and tells their digest */
  async #arrive(tenant: Tenant, write: (path: string, arriving: Arriving) => Promise<string>): Promise<UploadReply> {
    this.expire(this.#now());
    this.#checkCounts(tenant);
    const arriving = { bytes: 0, namespace: tenant.namespace };
    this.#underway.add(arriving);
    const path = join(this.#folder, `.${randomBytes(8).toString('hex')}`);
    try {
      const sha256 = await write(path, arriving);
      faultPoint('upload:written');
      renameSync(path, this.path(sha256, tenant));
      faultPoint('upload:kept');
      const expiresMs = this.#now() + this.#limits.uploadTtlMs;
      this.#uploads.set(nameOf(sha256, tenant), { ...arriving, expiresMs });
      return { sha256, bytes: arriving.bytes };
    } catch (error) {
      unlinkIfPresent(path);
      if (hasCode(error, 'ENOSPC', 'EDQUOT')) throw noSpace(error);
      throw error;
    } finally {
      this.#underway.delete(arriving);
    }
  }

  #checkCounts({ namespace }: Tenant): void {
    const { uploadsMax, uploadsPerNamespaceMax } = this.#limits;
    const all = this.#all();
    if (all.length >= uploadsMax) throw limit(`${uploadsMax} uploads are kept already`);
    if (namespace !== '' && all.filter((upload) => upload.namespace === namespace).length >= uploadsPerNamespaceMax) {
      throw limit(`${uploadsPerNamespaceMax} uploads of the namespace are kept already`);
    }
  }

  async #admit(arriving: Arriving, bytes: number, bytesMax: number): Promise<void> {
    const { uploadBytesMax, uploadBytesPerNamespaceMax } = this.#limits;
    const { namespace } = arriving;
    if (arriving.bytes + bytes > bytesMax) {
      throw new PluginError('ERR_MODEL_TOO_LARGE', `it has more than ${bytesMax} bytes, the limit`);
    }
    if (this.bytes + bytes > uploadBytesMax) throw limit(`uploads may have ${uploadBytesMax} bytes together`);
    const own = sumOf(this.#all().filter((upload) => upload.namespace === namespace));
    if (namespace !== '' && own + bytes > uploadBytesPerNamespaceMax) {
      throw limit(`uploads of a namespace may have ${uploadBytesPerNamespaceMax} bytes together`);
    }
    arriving.bytes += bytes;
    await this.#room(bytes);
  }

  async #stage(sha256: string, external: readonly ExternalFile[], tenant: Tenant, target: string): Promise<string> {
    const given = new Set(external.map(({ location }) => checkedLocation(location)));
    for (const location of await this.locations(sha256, tenant)) {
      // onnxruntime confines what it opens too; but its parser is what must not be relied on.
      if (!given.has(checkedLocation(location))) throw invalid(`its external data '${location}' was not given`);
    }
    this.#link(sha256, tenant, target, GRAPH_FILE);
    for (const file of external) this.#link(file.sha256, tenant, target, checkedLocation(file.location));
    return join(target, GRAPH_FILE);
  }

  /** Gives an upload a name in the folder of an ingest. */
  #link(sha256: string, tenant: Tenant, target: string, location: string): void {
    const path = join(target, location);
    try {
      mkdirSync(dirname(path), { recursive: true });
      linkSync(this.path(sha256, tenant), path);
    } catch (error) {
      if (hasCode(error, 'ENOENT') && !this.has(sha256, tenant)) throw unknown(sha256);
      // Two files of one name, a file where another has a folder, a name that is too long.
      if (hasCode(error, 'EEXIST', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'EPERM', 'ENOENT')) {
        throw invalid(`its external data '${location}' cannot lie there`);
      }
      throw error;
    }
  }

  expire(nowMs: number): void {
    for (const [name, { expiresMs }] of this.#uploads) {
      if (expiresMs > nowMs) continue;
      this.#uploads.delete(name);
      unlinkIfPresent(join(this.#folder, name));
    }
  }

  has(sha256: string, tenant: Tenant = ANYBODY): boolean {
    return this.#uploads.has(nameOf(sha256, tenant));
  }

  /** External data that an uploaded model names, sorted. @throws PluginError `ERR_MODEL_INVALID`, `ERR_MODEL_UNKNOWN` */
  async locations(sha256: string, tenant: Tenant): Promise<string[]> {
    const file = await open(this.path(sha256, tenant), 'r').catch(() => {
      throw unknown(sha256);
    });
    try {
      return (await readModel(file, (await file.stat()).size)).locations;
    } finally {
      await file.close();
    }
  }

  /** Where one lies, where there is one. */
  path(sha256: string, tenant: Tenant): string {
    return join(this.#folder, nameOf(sha256, tenant));
  }

  /** The model with this digest. Its bytes are asked for only when it must be ingested. */
  files({ sha256, externalData }: Extract<ModelSource, { kind: 'digest' }>, tenant: Tenant = ANYBODY): ModelFiles {
    const sorted = [...externalData].sort((one, other) => (one.location < other.location ? -1 : 1));
    const all = [sha256, ...sorted.map((file) => file.sha256)];
    const uploads = this.#uploads;
    return {
      sha256,
      externalData: sorted,
      get bytes() {
        return all.reduce((sum, digest) => sum + (uploads.get(nameOf(digest, tenant))?.bytes ?? 0), 0);
      },
      stage: (target) => this.#stage(sha256, sorted, tenant, target),
      async verify() {
        // Nobody but the daemon writes to uploads.
      },
    };
  }
}

/** What the names of uploads look like. */
export const UPLOAD_NAME = /^(?:[0-9a-f]{64}-)?[0-9a-f]{64}$/;

/** Name of an upload's file: in another scope, another. */
export function nameOf(sha256: string, { scope }: Tenant): string {
  if (scope === '') return sha256;
  return `${createHash('sha256').update(scope).digest('hex')}-${sha256}`;
}

function sumOf(uploads: Iterable<{ bytes: number }>): number {
  let total = 0;
  for (const { bytes } of uploads) total += bytes;
  return total;
}

/** @throws PluginError `ERR_MODEL_INVALID` where an external location would leave the model's folder */
export function checkedLocation(location: string): string {
  const path = normalize(location);
  if (location === '' || location.includes('\0') || isAbsolute(path) || path.split('/').includes('..')) {
    throw invalid(`its external data '${location}' lies outside its folder`);
  }
  return path;
}

function invalid(reason: string): PluginError {
  return new PluginError('ERR_MODEL_INVALID', reason);
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
