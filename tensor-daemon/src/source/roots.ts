import { constants, type FileHandle, open, readlink, realpath } from 'node:fs/promises';
import { join, normalize, relative } from 'node:path';
import { PluginError } from '@tetris/common';
import { hasCode } from '../store/files';

/** A registered folder of models: its path as containers see it, and as the daemon does. */
export interface ModelRoot {
  inside: string;
  outside: string;
}

/** `/models=/srv/models` or `/models`. */
export function parseRoot(text: string): ModelRoot {
  const [inside = '', outside = inside] = text.split('=', 2);
  return { inside: trimmed(inside), outside: trimmed(outside) };
}

/** An open file under a root. */
export interface RootFile {
  file: FileHandle;
  /** Its path without links. */
  path: string;
  /** Its path as it was asked for, on the daemon's side: beside it onnxruntime looks for external data. */
  asked: string;
}

/** The folders from which models may be leased by path. */
export class ModelRoots {
  readonly #roots: readonly ModelRoot[];

  constructor(roots: readonly ModelRoot[]) {
    this.#roots = roots;
  }

  /**
   * Opens a file by its path as containers see it. Links are followed where they stay under the roots. What counts is
   * the file that was opened: its own path is asked for afterwards, so that neither `..` nor a link leads out, not even
   * one that changes meanwhile.
   *
   * @throws PluginError `ERR_MODEL_PATH_OUTSIDE`, `ERR_MODEL_NOT_FOUND`
   */
  async open(inside: string): Promise<RootFile> {
    const path = normalize(inside);
    const root = this.#roots.find((candidate) => isUnder(path, candidate.inside));
    if (root === undefined) throw outsideError(inside);
    return this.#openUnder(join(root.outside, relative(root.inside, path)), inside);
  }

  async #openUnder(asked: string, name: string): Promise<RootFile> {
    let file: FileHandle | undefined;
    try {
      // Non-blocking, so that a pipe in place of a file cannot hang us.
      file = await open(asked, constants.O_RDONLY | constants.O_NONBLOCK);
      const path = await readlink(`/proc/self/fd/${file.fd}`);
      if (!(await this.#holds(path))) throw outsideError(name);
      if (!(await file.stat()).isFile()) throw new PluginError('ERR_MODEL_NOT_FOUND', `'${name}' is no file`);
      return { file, path, asked };
    } catch (error) {
      await file?.close();
      // The last is Node's own, for a name with a NUL.
      if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENXIO', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE')) {
        throw new PluginError('ERR_MODEL_NOT_FOUND', `there is no readable file '${name}'`, { cause: error });
      }
      throw error;
    }
  }

  /** Whether a path without links lies under a root. */
  async #holds(path: string): Promise<boolean> {
    for (const { outside } of this.#roots) {
      // A root may be a link, and one of them may be away.
      const folder = await realpath(outside).catch(() => undefined);
      if (folder !== undefined && isUnder(path, folder)) return true;
    }
    return false;
  }
}

function isUnder(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

function trimmed(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
}

function outsideError(path: string): PluginError {
  const remedy = 'the operator registers them (npm start -- --models, or TETRIS_DAEMON_MODEL_ROOTS)';
  return new PluginError('ERR_MODEL_PATH_OUTSIDE', `'${path}' is not under a registered model folder; ${remedy}`);
}
