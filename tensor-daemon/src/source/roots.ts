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

/** An open file under a root, and its resolved path. */
export interface RootFile {
  file: FileHandle;
  path: string;
}

/** The folders from which models may be leased by path. */
export class ModelRoots {
  readonly #roots: readonly ModelRoot[];

  constructor(roots: readonly ModelRoot[]) {
    this.#roots = roots;
  }

  /**
   * Opens a model by its path as containers see it. What counts is the file that was opened: its own path is asked
   * for afterwards, so that neither `..` nor a symbolic link leads out, not even one that changes meanwhile.
   *
   * @throws PluginError `ERR_MODEL_PATH_OUTSIDE`, `ERR_MODEL_NOT_FOUND`
   */
  async open(inside: string): Promise<RootFile> {
    const path = normalize(inside);
    const root = this.#roots.find((candidate) => isUnder(path, candidate.inside));
    if (root === undefined) throw outsideError(inside);
    return this.#openUnder(root, join(root.outside, relative(root.inside, path)), inside);
  }

  /** Opens a file beside an open model: its external data. Errors as {@link open}. */
  async openBeside(path: string, name: string): Promise<RootFile> {
    for (const root of this.#roots) {
      if (isUnder(path, await realpath(root.outside))) return this.#openUnder(root, path, name);
    }
    throw outsideError(name);
  }

  async #openUnder(root: ModelRoot, path: string, name: string): Promise<RootFile> {
    let file: FileHandle | undefined;
    try {
      // Non-blocking, so that a pipe in place of a file cannot hang us.
      file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const resolved = await readlink(`/proc/self/fd/${file.fd}`);
      if (!isUnder(resolved, await realpath(root.outside))) throw outsideError(name);
      if (!(await file.stat()).isFile()) throw new PluginError('ERR_MODEL_NOT_FOUND', `'${name}' is no file`);
      return { file, path: resolved };
    } catch (error) {
      await file?.close();
      // The last is Node's own, for a name with a NUL.
      if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENXIO', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE')) {
        throw new PluginError('ERR_MODEL_NOT_FOUND', `there is no readable file '${name}'`, { cause: error });
      }
      throw error;
    }
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
