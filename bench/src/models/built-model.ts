import { createHash } from 'node:crypto';
import { access, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { InputSpec, ModelDefinition } from './graph-builder';
import { writeExternalModel, writeModel } from './model-writer';
import { Random, seedOf } from './random';

/** What to feed one input with: the arguments of onnxruntime's `Tensor`. */
export interface Feed {
  name: string;
  type: 'float32' | 'int64';
  dims: number[];
  data: Float32Array | BigInt64Array;
}

/** A model file and how to feed it. */
export interface BuiltModel {
  name: string;
  path: string;
  /** External data included. */
  bytes: number;
  /**
   * Random inputs: the same seed gives the same numbers. `sequence` is the size of every other symbolic axis. @default
   * 64
   */
  inputs(batch: number, seed: number, sequence?: number): Feed[];
}

/**
 * Writes a model as `<folder>/<name>.onnx`, creating the folder.
 */
export async function buildModel(definition: ModelDefinition, folder: string): Promise<BuiltModel> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${definition.name}.onnx`);
  await writeModel(definition, path);
  return builtModel(definition, path);
}

/** As {@link buildModel}, but with its weights in a file beside it, so that they may have more than 2 GiB together. */
export async function buildExternalModel(definition: ModelDefinition, folder: string): Promise<BuiltModel> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${definition.name}.onnx`);
  await writeExternalModel(definition, path);
  const model = await builtModel(definition, path);
  return { ...model, bytes: model.bytes + (await stat(`${path}.data`)).size };
}

/** As {@link buildModel}, but a file of the same definition that is already in the folder is used again. */
export async function cachedModel(definition: ModelDefinition, folder: string): Promise<BuiltModel> {
  const path = join(folder, fingerprint(definition), `${definition.name}.onnx`);
  const known = await access(path).then(
    () => true,
    () => false,
  );
  return known ? builtModel(definition, path) : buildModel(definition, join(folder, fingerprint(definition)));
}

/** Random inputs of a model for one batch. */
export function feedsOf(inputs: readonly InputSpec[], batch: number, seed: number, sequence = 64): Feed[] {
  return inputs.map((input) => {
    const dims = input.dims.map((size) => (typeof size === 'number' ? size : size === 'batch' ? batch : sequence));
    const count = dims.reduce((product, size) => product * size, 1);
    const random = new Random(seedOf(seed, input.name));
    if (input.type === 'float32') {
      const data = new Float32Array(count);
      random.fill(data, { center: 0, limit: input.bound });
      return { name: input.name, type: 'float32', dims, data };
    }
    const data = BigInt64Array.from({ length: count }, () => BigInt(random.below(input.bound)));
    return { name: input.name, type: 'int64', dims, data };
  });
}

async function builtModel(definition: ModelDefinition, path: string): Promise<BuiltModel> {
  const { size } = await stat(path);
  const inputs: BuiltModel['inputs'] = (batch, seed, sequence) => feedsOf(definition.inputs, batch, seed, sequence);
  return { name: definition.name, path, bytes: size, inputs };
}

/** Names what a definition is made of: graph, weights and constants, not their numbers. */
function fingerprint(definition: ModelDefinition): string {
  const replacer = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? value.toString() : value);
  return createHash('sha256').update(JSON.stringify(definition, replacer)).digest('hex').slice(0, 16);
}
