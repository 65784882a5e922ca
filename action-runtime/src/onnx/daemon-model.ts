/** How the daemon is asked for a model. */
import fs from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { ModelSource } from '@tetris/common';
import { hashFile, hashStream, isInside } from '@tetris/common/files';
import { type Content, type LocalModel, localModel } from './local-model';
import type { ModelReference } from './model-reference';

/** A model as the daemon is asked for it, and what to send where it does not know it. */
export interface DaemonModel {
  source: ModelSource;
  uploads: (() => Uint8Array | fs.ReadStream)[];
}

/**
 * The ways to ask for a model, the cheapest first; the next is for where the daemon cannot open what the instance can.
 *
 * @param roots folders that the daemon sees under the same path
 * @throws what {@link localModel} throws, when the way that needs it is asked for
 */
export async function* daemonModels(model: ModelReference, roots: readonly string[]): AsyncGenerator<DaemonModel> {
  if (model.kind === 'url') {
    yield { source: { kind: 'url', url: model.name }, uploads: [] };
    return;
  }
  const registered = model.kind === 'file' ? await registeredPath(model.path, roots) : undefined;
  if (registered !== undefined) yield await byPath(registered);
  const local = await localModel(model);
  if (model.kind === 'file' && local.externalData.length === 0) {
    const target = await registeredPath(await realpath(model.path), roots);
    if (target !== undefined && target !== registered) yield await byPath(target);
  }
  yield await byDigest(local);
}

/**
 * A model's path below a registered folder, as the daemon knows that folder. External data lies beside the path that
 * was given, so its last link is not followed.
 */
async function registeredPath(given: string, roots: readonly string[]): Promise<string | undefined> {
  const file = path.join(await realpath(path.dirname(given)), path.basename(given));
  for (const root of roots) {
    const folder = await realpath(root).catch(() => undefined);
    if (folder !== undefined && isInside(folder, file)) return path.join(root, path.relative(folder, file));
  }
  return undefined;
}

async function byPath(file: string): Promise<DaemonModel> {
  const { size, mtimeMs } = await stat(file);
  return { source: { kind: 'file', path: file, bytes: size, mtimeMs }, uploads: [] };
}

async function byDigest({ content, externalData }: LocalModel): Promise<DaemonModel> {
  const sha256 = await digestOf(content);
  const bytes = await bytesOf(content);
  const contents = new Map([[sha256, content]]);
  const external = [];
  for (const { location, path: file } of externalData) {
    const digest = await digestOf(file);
    contents.set(digest, file);
    external.push({ location, sha256: digest, bytes: await bytesOf(file) });
  }
  const uploads = [...contents.values()].map((one) => () => (typeof one === 'string' ? fs.createReadStream(one) : one));
  return { source: { kind: 'digest', sha256, bytes, externalData: external }, uploads };
}

/** Bytes hashed before other work of the event loop gets its turn. */
const HASH_SLICE_BYTES = 4 * 1024 * 1024;

function digestOf(content: Content): Promise<string> {
  return typeof content === 'string' ? hashFile(content) : hashStream(slicesOf(content));
}

async function bytesOf(content: Content): Promise<number> {
  return typeof content === 'string' ? (await stat(content)).size : content.byteLength;
}

async function* slicesOf(content: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.byteLength; at += HASH_SLICE_BYTES) {
    yield content.subarray(at, at + HASH_SLICE_BYTES);
    await setImmediate();
  }
}
