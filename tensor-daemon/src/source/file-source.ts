import type { BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hashFile, type ModelSource, PluginError } from '@tetris/common';
import { whyUnshareable } from '@tetris/onnx-format';
import { LRUCache } from 'lru-cache';
import type { ModelFiles } from './model-files';
import { type ModelLimits, readModel, unshareableError } from './read-model';
import { type ModelRoots, type RootFile } from './roots';
import { checkedLocation } from './uploaded-models';

/**
 * A file changed this shortly before it was hashed could change again within the same tick of the file system's clock,
 * so its digest is not remembered.
 */
const CLOCK_TICK_MS = 100;

/** mtime of the caller and ours may differ by the rounding of nanoseconds to a double. */
const MTIME_SLACK_MS = 1;

interface Content {
  sha256: string;
  bytes: number;
  /** External data, where the file was read as a model. */
  locations: string[];
}

/** A file with its identity at the time of its digest. */
interface Known extends Content {
  path: string;
  asked: string;
  identity: string;
}

export interface FileSourceOptions extends ModelLimits {
  digestCacheMax: number;
}

/** Models under registered folders: hashed once per change, recognised by inode, size and times after that. */
export class FileSource {
  readonly #roots: ModelRoots;
  readonly #options: FileSourceOptions;
  readonly #digests: LRUCache<string, Content>;
  /** Hashes under way, so that many leases of a new file read it once. */
  readonly #underway = new Map<string, Promise<Content>>();

  constructor(roots: ModelRoots, options: FileSourceOptions) {
    this.#roots = roots;
    this.#options = options;
    this.#digests = new LRUCache({ max: options.digestCacheMax });
  }

  /**
   * @throws PluginError `ERR_MODEL_PATH_OUTSIDE`, `ERR_MODEL_NOT_FOUND`, `ERR_MODEL_INVALID`, `ERR_MODEL_UNSHAREABLE`,
   *   `ERR_MODEL_TOO_LARGE`
   */
  async files(source: Extract<ModelSource, { kind: 'file' }>): Promise<ModelFiles> {
    const named = whyUnshareable({ path: source.path });
    if (named !== undefined) throw unshareableError(named);
    const model = await this.#know(await this.#roots.open(source.path), source);
    const external: { location: string; known: Known }[] = [];
    for (const location of model.locations) {
      // As onnxruntime does: beside the path that was given, and not beside what its link leads to.
      const beside = join(dirname(source.path), checkedLocation(location));
      const known = await this.#know(await this.#roots.open(beside));
      external.push({ location, known });
    }
    const all = [model, ...external.map(({ known }) => known)];
    const bytes = all.reduce((sum, known) => sum + known.bytes, 0);
    this.#checkSize(bytes);
    return {
      sha256: model.sha256,
      externalData: external.map(({ location, known }) => ({ location, sha256: known.sha256 })),
      bytes,
      // What is beside a link is not beside what the link leads to.
      stage: async () => (external.length === 0 ? model.path : model.asked),
      verify: async () => {
        for (const { asked, identity } of all) {
          if (identityOf(await stat(asked, { bigint: true })) !== identity) {
            throw new PluginError('ERR_MODEL_INVALID', 'it changed while it was read', { retriable: true });
          }
        }
      },
    };
  }

  /**
   * Digest and external data of an open file, which it closes. A model is one that comes with what its caller saw of
   * it.
   */
  async #know({ file, path, asked }: RootFile, seen?: { bytes: number; mtimeMs: number }): Promise<Known> {
    try {
      const stats = await file.stat({ bigint: true });
      if (seen !== undefined) checkSeen(stats, seen);
      this.#checkSize(Number(stats.size));
      const identity = identityOf(stats);
      const key = `${identity} ${seen === undefined ? 'data' : 'model'}`;
      const content = this.#digests.get(key) ?? (await this.#readOnce(key, file, stats, seen !== undefined));
      return { ...content, path, asked, identity };
    } finally {
      await file.close();
    }
  }

  async #readOnce(key: string, file: FileHandle, stats: BigIntStats, isModel: boolean): Promise<Content> {
    const underway = this.#underway.get(key);
    if (underway !== undefined) return underway;
    const reading = this.#read(key, file, stats, isModel);
    this.#underway.set(key, reading);
    try {
      return await reading;
    } finally {
      this.#underway.delete(key);
    }
  }

  async #read(key: string, file: FileHandle, stats: BigIntStats, isModel: boolean): Promise<Content> {
    const settled = Date.now() - Number(stats.ctimeMs) > CLOCK_TICK_MS;
    const bytes = Number(stats.size);
    const locations = isModel ? (await readModel(file, this.#options)).locations : [];
    const content = { sha256: await hashFile(file), bytes, locations };
    const unchanged = identityOf(await file.stat({ bigint: true })) === identityOf(stats);
    if (settled && unchanged) this.#digests.set(key, content);
    return content;
  }

  #checkSize(bytes: number): void {
    const { modelBytesMax } = this.#options;
    if (bytes <= modelBytesMax) return;
    throw new PluginError('ERR_MODEL_TOO_LARGE', `it has ${bytes} bytes, the limit is ${modelBytesMax}`);
  }
}

function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

/** The caller and the daemon must mean the same file: a path may be another one in another mount. */
function checkSeen({ size, mtimeMs, mtimeNs }: BigIntStats, seen: { bytes: number; mtimeMs: number }): void {
  const mine = Number(mtimeNs) / 1e6 || Number(mtimeMs);
  if (Number(size) === seen.bytes && Math.abs(mine - seen.mtimeMs) <= MTIME_SLACK_MS) return;
  throw new PluginError(
    'ERR_MODEL_NOT_FOUND',
    'the file that the instance sees there is not the one that the daemon sees',
  );
}
