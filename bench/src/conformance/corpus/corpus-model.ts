/** Models of the corpus, and how they come to lie in a folder. */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  type GraphProto,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
} from '@tetris/onnx-format/messages';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { seedOf } from '../../models/random';
import { drawnInputs } from '../drawn-inputs';
import type { Range } from './typed-data';

/** A model with what it is fed. */
export interface CorpusModel {
  /** Unique; a folder's path below the corpus. */
  name: string;
  /** The message, or a file's bytes that are none. */
  model: ModelProto | Uint8Array;
  /** Files beside the model, by their paths from there. */
  files?: Readonly<Record<string, Uint8Array>>;
  /** What is drawn for an input, where its type's own range will not do. */
  ranges?: Readonly<Record<string, Range>>;
}

export interface ModelParts {
  nodes: readonly NodeProto[];
  inputs: readonly ValueInfoProto[];
  outputs: readonly ValueInfoProto[];
  initializers?: readonly TensorProto[];
  /** Of ONNX's own operators. @default 17 */
  opset?: number;
  /** @default 9 */
  irVersion?: number;
  /** Versions of other domains; `com.microsoft` is always there. */
  domains?: Readonly<Record<string, number>>;
  /** What else the graph and the model have. */
  graph?: Partial<GraphProto>;
  more?: Partial<ModelProto>;
}

export function modelOf({ opset = 17, irVersion = 9, domains = {}, more = {}, ...parts }: ModelParts): ModelProto {
  const versions = Object.entries({ '': opset, 'com.microsoft': 1, ...domains });
  return create(ModelProtoSchema, {
    irVersion: BigInt(irVersion),
    producerName: 'tetris-conformance',
    opsetImport: versions.map(([domain, version]) => ({ domain, version: BigInt(version) })),
    graph: graphOf(parts),
    ...more,
  } as never);
}

/** A graph, which may be the body of a node. */
export function graphOf({ nodes, inputs, outputs, initializers = [], graph = {} }: ModelParts): GraphProto {
  return create(GraphProtoSchema, {
    name: 'corpus',
    node: [...nodes],
    initializer: [...initializers],
    input: [...inputs],
    output: [...outputs],
    ...graph,
  } as never);
}

/** Sizes of the symbolic axis `batch`, one for each data set. */
const BATCHES = [2, 3];

/** Writes a model and its data sets as `<folder>/<name>/`, in the layout of ONNX's backend tests. */
export async function writeCorpusModel(corpusModel: CorpusModel, corpus: string, seed: number): Promise<void> {
  const { name, model, files = {}, ranges = {} } = corpusModel;
  const folder = join(corpus, name);
  await write(join(folder, 'model.onnx'), model instanceof Uint8Array ? model : toBinary(ModelProtoSchema, model));
  for (const [path, bytes] of Object.entries(files)) await write(join(folder, path), bytes);
  if (model instanceof Uint8Array || model.graph === undefined) return;
  const known = new Map(Object.entries(ranges));
  const rangeOf = (input: string): Range | undefined => known.get(input);
  for (const [set, batch] of BATCHES.entries()) {
    const tensors = drawnInputs(model.graph, { batch, seed: seedOf(seed, `${name} ${set}`), rangeOf });
    for (const [index, tensor] of tensors.entries()) {
      await write(join(folder, `test_data_set_${set}`, `input_${index}.pb`), toBinary(TensorProtoSchema, tensor));
    }
  }
}

async function write(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, bytes);
}
