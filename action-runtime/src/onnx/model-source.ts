/** What the first argument of `InferenceSession.create` names, and how to tell the daemon. */
import { createHash, type Hash } from 'node:crypto';
import fs from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ModelSource } from '@tetris/common';
import { PluginError } from '@tetris/common/errors';

/** Folders that models may be read from. */
export interface ModelFolders {
  /** The action's own folder and the instance's temporary one: models there are sent to the daemon once. */
  own: readonly string[];
  /** Folders that the daemon sees under the same path. */
  roots: readonly string[];
}

export type ModelReference =
  /** `path` is real and allowed; `name` is what the user wrote. */
  | { kind: 'file'; name: string; path: string; registered: boolean }
  | { kind: 'bytes'; name: string; bytes: Uint8Array }
  | { kind: 'url'; name: string };

const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;

/**
 * Resolves what the user named.
 *
 * @throws PluginError `ERR_MODEL_NOT_FOUND` with onnxruntime's own text; `ERR_MODEL_PATH_OUTSIDE`
 */
export async function resolveModel(model: string | Uint8Array, folders: ModelFolders): Promise<ModelReference> {
  if (typeof model !== 'string') return { kind: 'bytes', name: `model of ${model.byteLength} bytes`, bytes: model };
  if (SCHEME.test(model) && !model.startsWith('file:')) return { kind: 'url', name: model };
  const asked = model.startsWith('file:') ? fileURLToPath(model) : model;
  let real;
  try {
    real = await realpath(asked);
  } catch (cause) {
    const text = `Load model from ${asked} failed:Load model ${asked} failed. File doesn't exist`;
    throw new PluginError('ERR_MODEL_NOT_FOUND', text, { cause });
  }
  const registered = await isUnder(real, folders.roots);
  if (!registered && !(await isUnder(real, folders.own))) {
    const allowed = [...folders.own, ...folders.roots].join(', ');
    throw new PluginError('ERR_MODEL_PATH_OUTSIDE', `Load model from ${asked} failed: models may lie in ${allowed}`);
  }
  return { kind: 'file', name: model, path: real, registered };
}

/** A model as the daemon is asked for it, and the files to send where it does not know them. */
export interface DaemonModel {
  source: ModelSource;
  uploads: (() => Uint8Array | fs.ReadStream)[];
}

/** Hashes what the daemon cannot see itself. */
export async function daemonModel(model: ModelReference): Promise<DaemonModel> {
  if (model.kind === 'url') return { source: { kind: 'url', url: model.name }, uploads: [] };
  if (model.kind === 'bytes') {
    const sha256 = await digestOfBytes(model.bytes);
    return { source: { kind: 'digest', sha256, externalData: [] }, uploads: [() => model.bytes] };
  }
  if (model.registered) {
    const { size, mtimeMs } = await stat(model.path);
    return { source: { kind: 'file', path: model.path, bytes: size, mtimeMs }, uploads: [] };
  }
  const files = [model.path, ...(await externalDataOf(model.path))];
  const [sha256 = '', ...rest] = await Promise.all(files.map(digestOfFile));
  const folder = path.dirname(model.path);
  const externalData = rest.map((digest, index) => ({
    location: path.relative(folder, files[index + 1] ?? ''),
    sha256: digest,
  }));
  return {
    source: { kind: 'digest', sha256, externalData },
    uploads: files.map((file) => () => fs.createReadStream(file)),
  };
}

/** A model whose weights lie in files beside it is a small graph; larger ones are not searched. */
const GRAPH_BYTES_MAX = 64 * 1024 * 1024;
/** As the daemon's protocol allows. */
const EXTERNAL_FILES_MAX = 64;

/** The files beside a model that its graph names. A name that occurs by chance costs an upload, nothing else. */
async function externalDataOf(model: string): Promise<string[]> {
  if ((await stat(model)).size > GRAPH_BYTES_MAX) return [];
  const folder = path.dirname(model);
  const graph = await readFile(model);
  const beside = await readdir(folder, { withFileTypes: true });
  return beside
    .filter((entry) => entry.isFile() && entry.name !== path.basename(model) && graph.includes(entry.name))
    .slice(0, EXTERNAL_FILES_MAX)
    .map((entry) => path.join(folder, entry.name));
}

/** Bytes hashed before other work of the event loop gets its turn. */
const HASH_SLICE_BYTES = 4 * 1024 * 1024;

async function digestOfBytes(bytes: Uint8Array): Promise<string> {
  const hash: Hash = createHash('sha256');
  for (let at = 0; at < bytes.byteLength; at += HASH_SLICE_BYTES) {
    hash.update(bytes.subarray(at, at + HASH_SLICE_BYTES));
    await setImmediate();
  }
  return hash.digest('hex');
}

async function digestOfFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of fs.createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function isUnder(real: string, folders: readonly string[]): Promise<boolean> {
  for (const folder of folders) {
    const base = await realpath(folder).catch(() => path.resolve(folder));
    if (real.startsWith(base.endsWith(path.sep) ? base : base + path.sep)) return true;
  }
  return false;
}
