import { fileSource, scanModel } from '@tetris/onnx-format';
import { copyFile, mkdir, open, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { buildExternalModel, buildModel } from '../models/built-model';
import type { ModelDefinition } from '../models/graph-builder';
import { type ZooModel, zooModel } from '../zoo/zoo';

/** A model file, and what `actions/classify.js` has to know to feed it. */
export interface ServedModel {
  name: string;
  path: string;
  /** External data included. */
  bytes: number;
  /** Token ids are below it; undefined where numbers are fed. */
  vocabulary?: number;
}

/** Parameters of an activation of the bench's action. */
export interface Work {
  model: string;
  vocabulary?: number;
  batch?: number;
  seed?: number;
  runs?: number;
}

/**
 * Writes a model of the zoo into a folder, which is created.
 *
 * @param external its weights in a file beside it, whatever its size
 * @throws RangeError where the zoo has none of that name
 */
export function servedModel(name: string, folder: string, external = false): Promise<ServedModel> {
  const model: ZooModel = zooModel(name);
  return served(model.define(name), folder, external || model.external);
}

/**
 * Somebody's own model, copied with its external data. Its inputs are fed by what it declares: float32 and int64, open
 * dimensions of 16.
 *
 * @throws RangeError where it is no ONNX file
 */
export async function ownModel(file: string, folder: string): Promise<ServedModel> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const scan = await scanModel(fileSource(handle.fd, size));
    if (scan.format !== 'onnx') throw new RangeError(`${file} is no model in the format of ONNX`);
    let bytes = 0;
    for (const each of [basename(file), ...scan.locations]) {
      await mkdir(dirname(join(folder, each)), { recursive: true });
      await copyFile(join(dirname(file), each), join(folder, each));
      bytes += (await stat(join(folder, each))).size;
    }
    return { name: nameOf(file), path: join(folder, basename(file)), bytes };
  } finally {
    await handle.close();
  }
}

/** What rows of somebody's own model are called. */
export const nameOf = (file: string): string => basename(file, '.onnx');

/** Writes a model. @param external its weights lie in a file beside it, as models over 2 GiB need */
export async function served(definition: ModelDefinition, folder: string, external = false): Promise<ServedModel> {
  const { name, path, bytes } = await (external ? buildExternalModel : buildModel)(definition, folder);
  const tokens = definition.inputs.find(({ type }) => type === 'int64');
  return { name, path, bytes, ...(tokens === undefined ? {} : { vocabulary: tokens.bound }) };
}

export const workOn = ({ path, vocabulary }: ServedModel): Work => ({
  model: path,
  ...(vocabulary === undefined ? {} : { vocabulary }),
});
