/** A model that this instance can read, with the files that belong to it: read from its graph, never guessed. */
import { constants } from 'node:fs';
import { open, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { isInside } from '@tetris/common/files';
import { fileSource, memorySource, type ModelScan, scanModel, whyUnshareable } from '@tetris/onnx-format';
import type { LocalReference } from './model-reference';
import { NotShared } from './not-shared';

/** A file's path, or bytes in memory. */
export type Content = string | Uint8Array;

export interface LocalModel {
  content: Content;
  /** Its external data, by location as the graph spells it. */
  externalData: { location: string; path: string }[];
}

/**
 * Looks into a model.
 *
 * @throws NotShared where it cannot be shared; an error of the file system where it cannot be read
 */
export async function localModel(model: LocalReference): Promise<LocalModel> {
  const scan = model.kind === 'bytes' ? await scanModel(memorySource(model.bytes)) : await scanFile(model.path);
  const unshareable = whyUnshareable({ scan, ...(model.kind === 'file' && { path: model.path }) });
  if (unshareable !== undefined) throw NotShared.unshareable(unshareable);
  const content = model.kind === 'bytes' ? model.bytes : model.path;
  const locations = scan.format === 'onnx' ? scan.locations : [];
  return { content, externalData: await externalData(model, locations) };
}

async function scanFile(name: string): Promise<ModelScan> {
  // Non-blocking, so that a pipe in place of a file cannot hang us.
  const file = await open(name, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new NotShared('no-model', 'it is no file');
    return await scanModel(fileSource(file.fd, stats.size));
  } finally {
    await file.close();
  }
}

/**
 * Where onnxruntime looks: beside the path that was given, links not followed, and in the working folder for bytes.
 * What it finds there may be a link that stays in that folder, or in the one that the model's own link leads to.
 */
async function externalData(model: LocalReference, locations: string[]): Promise<LocalModel['externalData']> {
  if (locations.length === 0) return [];
  const folder = model.kind === 'bytes' ? process.cwd() : path.dirname(model.path);
  const allowed = [await realpath(folder)];
  if (model.kind === 'file') allowed.push(path.dirname(await realpath(model.path)));
  const found = [];
  for (const location of locations) {
    const file = path.join(folder, location);
    const real = await realpath(file);
    if (!allowed.some((one) => isInside(one, real))) {
      throw new NotShared('external-outside', `its external data '${location}' leads out of its folder`);
    }
    if (!(await stat(real)).isFile()) throw new NotShared('unreadable', `its external data '${location}' is no file`);
    found.push({ location, path: file });
  }
  return found;
}
