import { constants } from 'node:fs';
import { copyFile, link, mkdir, open } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { type ModelSource, PluginError } from '@tetris/common';
import { isInsideFolder, type OnnxScan } from '@tetris/onnx-format';
import { hasCode } from '../store/files';
import { GRAPH_FILE } from '../store/layout';
import { ANYBODY, type Tenant } from '../tenant';
import type { ModelFiles } from './model-files';
import { type ModelLimits, readModel, unshareableError } from './read-model';
import { tooLarge } from './upload-room';
import type { Uploads } from './uploads';

type DigestSource = Extract<ModelSource, { kind: 'digest' }>;
type ExternalFile = DigestSource['externalData'][number];

/** Gives a file another name, or another file of its content. */
type Placer = (from: string, to: string) => Promise<void>;

/** Models whose files lie among the uploads, or should. */
export class UploadedModels {
  readonly #uploads: Uploads;
  readonly #limits: ModelLimits;

  constructor(uploads: Uploads, limits: ModelLimits) {
    this.#uploads = uploads;
    this.#limits = limits;
  }

  /**
   * The model with this digest. Its bytes are asked for only when it must be ingested.
   * @throws PluginError `ERR_MODEL_TOO_LARGE`
   */
  files(source: DigestSource, tenant: Tenant = ANYBODY): ModelFiles {
    const { sha256 } = source;
    const externalData = [...source.externalData].sort((one, other) => (one.location < other.location ? -1 : 1));
    const digests = new Set([sha256, ...externalData.map((file) => file.sha256)]);
    const uploads = this.#uploads;
    this.#checkLimits(source);
    return {
      sha256,
      externalData: externalData.map(({ location, sha256 }) => ({ location, sha256 })),
      get bytes() {
        return sumOf(digests, (digest) => uploads.bytesOf(digest, tenant));
      },
      hold: () => digests.forEach((digest) => uploads.hold(digest, tenant)),
      letGo: (isDone) => digests.forEach((digest) => uploads.letGo(digest, tenant, isDone)),
      gather: async () => {
        for (const digest of digests) if (!uploads.has(digest, tenant)) throw unknown(digest);
      },
      stage: (folder) => this.#stage(sha256, externalData, tenant, folder),
      async verify() {
        // Nobody but the daemon writes to uploads.
      },
    };
  }

  /**
   * What an uploaded model is. @throws PluginError `ERR_MODEL_INVALID`, `ERR_MODEL_UNSHAREABLE`, `ERR_MODEL_UNKNOWN`
   */
  async scan(sha256: string, tenant: Tenant): Promise<OnnxScan> {
    const file = await open(this.#uploads.path(sha256, tenant), 'r').catch(() => {
      throw unknown(sha256);
    });
    try {
      return await readModel(file, this.#limits);
    } finally {
      await file.close();
    }
  }

  /** Before anything is sent: a model that can never fit is not to be tried again. */
  #checkLimits({ bytes = 0, externalData }: DigestSource): void {
    const { externalFilesMax, modelBytesMax } = this.#limits;
    const { bytes: uploadBytesMax, files: uploadsMax } = this.#uploads.most;
    const filesMax = Math.min(externalFilesMax, uploadsMax - 1);
    if (externalData.length > filesMax) throw tooLarge(`it has more than ${filesMax} external files, the limit`);
    const all = bytes + sumOf(externalData, (file) => file.bytes ?? 0);
    const most = Math.min(modelBytesMax, uploadBytesMax);
    if (all > most) throw tooLarge(`it has ${all} bytes, the limit is ${most}`);
  }

  async #stage(sha256: string, external: readonly ExternalFile[], tenant: Tenant, folder: string): Promise<string> {
    const given = new Set(external.map(({ location }) => checkedLocation(location)));
    const { locations, nestedExternal } = await this.scan(sha256, tenant);
    for (const location of locations) {
      // onnxruntime confines what it opens too; but its parser is what must not be relied on.
      if (!given.has(checkedLocation(location))) throw invalid(`its external data '${location}' was not given`);
    }
    await this.#place(link, sha256, tenant, folder, GRAPH_FILE);
    // ONNX's checker, which onnxruntime runs for nodes with sub-graphs, refuses files of several names.
    const place: Placer = nestedExternal ? copy : link;
    for (const file of external) {
      await this.#place(place, file.sha256, tenant, folder, checkedLocation(file.location));
    }
    return join(folder, GRAPH_FILE);
  }

  async #place(place: Placer, sha256: string, tenant: Tenant, folder: string, location: string): Promise<void> {
    const path = join(folder, location);
    try {
      await mkdir(dirname(path), { recursive: true });
      await place(this.#uploads.path(sha256, tenant), path);
    } catch (error) {
      if (hasCode(error, 'ENOENT') && !this.#uploads.has(sha256, tenant)) throw unknown(sha256);
      // Two files of one name, a file where another has a folder, a name that is too long.
      if (hasCode(error, 'EEXIST', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'EPERM', 'ENOENT')) {
        throw invalid(`its external data '${location}' cannot lie there`);
      }
      throw error;
    }
  }
}

/** Without bytes of its own where the file system can share them. */
const copy: Placer = (from, to) => copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);

/**
 * An external location as a path below the model's folder.
 * @throws PluginError `ERR_MODEL_INVALID` where it would leave that
 */
export function checkedLocation(location: string): string {
  if (isInsideFolder(location)) return normalize(location);
  throw unshareableError({
    reason: 'external-outside',
    detail: `its external data '${location}' lies outside its folder`,
  });
}

function sumOf<T>(items: Iterable<T>, bytesOf: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += bytesOf(item);
  return total;
}

function invalid(reason: string): PluginError {
  return new PluginError('ERR_MODEL_INVALID', reason);
}

function unknown(sha256: string): PluginError {
  return new PluginError('ERR_MODEL_UNKNOWN', `nothing is stored or uploaded with digest ${sha256}: upload it first`);
}
