/** Models that jobs are about: uploaded, registered, or taken out of an action. Files are named by their digest. */
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { open, readdir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isInside, PluginError } from '@tetris/common';
import { type ArchivedModel, modelsOfArchive } from './archive-models';
import type { ModelChoice } from './job';
import { PART, removeParts } from './parts';

export interface ModelFilesOptions {
  /** Of this service alone. */
  folder: string;
  roots: readonly string[];
  /** Of one upload, and of all that are kept. */
  uploadBytesMax: number;
  keptBytesMax: number;
  /** The code of an action: a zip archive as base64 text. @throws where there is none */
  codeOf: (action: string) => Promise<{ code: string; binary: boolean }>;
}

export interface ModelFile {
  path: string;
  name: string;
}

export class ModelFiles {
  readonly #options: ModelFilesOptions;

  constructor(options: ModelFilesOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
    removeParts(options.folder);
  }

  /** Keeps an upload. @throws PluginError `ERR_MODEL_TOO_LARGE` */
  async upload(body: Readable): Promise<{ sha256: string; bytes: number }> {
    const part = join(this.#options.folder, `${randomUUID()}${PART}`);
    const hash = createHash('sha256');
    let bytes = 0;
    const { uploadBytesMax } = this.#options;
    async function* counted(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
      for await (const chunk of source) {
        bytes += chunk.length;
        if (bytes > uploadBytesMax) {
          throw new PluginError(
            'ERR_MODEL_TOO_LARGE',
            `the model is larger than ${uploadBytesMax} bytes (TETRIS_PROFILE_UPLOAD_BYTES_MAX); name it by its path in a registered folder`,
          );
        }
        hash.update(chunk);
        yield chunk;
      }
    }
    // Opened before: a stream that is destroyed while it opens its file makes it after all.
    const file = await open(part, 'wx', 0o600);
    try {
      await pipeline(body, counted, file.createWriteStream());
      return { sha256: await this.#keep(part, hash.digest('hex')), bytes };
    } finally {
      await rm(part, { force: true });
    }
  }

  /** Where a job's model is. @throws PluginError `ERR_MODEL_NOT_FOUND` that says what there is instead */
  async find(choice: ModelChoice): Promise<ModelFile> {
    switch (choice.kind) {
      case 'upload':
        return this.#uploaded(choice.sha256, choice.name);
      case 'path':
        return this.#registered(choice.path);
      case 'action':
        return this.#ofAction(choice.action, choice.file);
    }
  }

  #path(sha256: string): string {
    return join(this.#options.folder, `${sha256}.onnx`);
  }

  #uploaded(sha256: string, name: string): ModelFile {
    const path = this.#path(sha256);
    if (existsSync(path)) return { path, name };
    throw new PluginError('ERR_MODEL_NOT_FOUND', `${name} is no longer kept: upload it again`);
  }

  async #registered(path: string): Promise<ModelFile> {
    const { roots } = this.#options;
    const real = await realpath(path).catch(() => undefined);
    const folders = await Promise.all(roots.map((root) => realpath(root).catch(() => root)));
    if (real !== undefined && folders.some((root) => isInside(root, real)) && (await stat(real)).isFile()) {
      return { path: real, name: basename(path) };
    }
    const where =
      roots.length === 0 ? 'no model folder is registered (npm start -- --models FOLDER)' : roots.join(', ');
    throw new PluginError('ERR_MODEL_NOT_FOUND', `there is no file ${path} below a registered folder: ${where}`);
  }

  /** Names of the models in an action's archive. @throws PluginError `ERR_MODEL_NOT_FOUND` where there is no such action */
  async namesIn(action: string): Promise<string[]> {
    return (await this.#archived(action)).map(({ name }) => name);
  }

  async #archived(action: string): Promise<ArchivedModel[]> {
    const { code, binary } = await this.#options.codeOf(action);
    return binary ? modelsOfArchive(Buffer.from(code, 'base64')) : [];
  }

  async #ofAction(action: string, file: string | undefined): Promise<ModelFile> {
    const models = await this.#archived(action);
    const names = models.map(({ name }) => name);
    const [first, ...others] = file === undefined ? models : models.filter(({ name }) => name === file);
    if (first === undefined) {
      const has = names.length === 0 ? 'it loads what it runs from elsewhere: name that' : `it has ${names.join(', ')}`;
      throw new PluginError('ERR_MODEL_NOT_FOUND', `there is no such model in the archive of action ${action}; ${has}`);
    }
    if (others.length > 0) {
      throw new PluginError(
        'ERR_MODEL_NOT_FOUND',
        `action ${action} has several models: name one of ${names.join(', ')}`,
      );
    }
    const data = await first.read();
    const part = join(this.#options.folder, `${randomUUID()}${PART}`);
    await writeFile(part, data, { mode: 0o600 });
    const sha256 = await this.#keep(part, createHash('sha256').update(data).digest('hex'));
    return { path: this.#path(sha256), name: `${action.replace(/^\/?_?\/?/, '')}${extname(first.name)}` };
  }

  async #keep(part: string, sha256: string): Promise<string> {
    await rename(part, this.#path(sha256));
    await this.#makeRoom(sha256);
    return sha256;
  }

  /** The oldest leave. */
  async #makeRoom(newest: string): Promise<void> {
    const { folder, keptBytesMax } = this.#options;
    const names = (await readdir(folder)).filter((name) => name.endsWith('.onnx'));
    const files = await Promise.all(names.map(async (name) => ({ name, ...(await stat(join(folder, name))) })));
    let kept = 0;
    for (const { name, size } of files.sort((one, other) => other.mtimeMs - one.mtimeMs)) {
      kept += size;
      if (kept > keptBytesMax && name !== `${newest}.onnx`) await rm(join(folder, name), { force: true });
    }
  }
}
