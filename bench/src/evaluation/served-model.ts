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
