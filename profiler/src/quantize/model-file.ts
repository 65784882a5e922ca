/** ONNX models on disk, as a whole in memory. */
import { open, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { clearField, fromBinary, toBinary } from '@bufbuild/protobuf';
import { errorMessage, PluginError } from '@tetris/common';
import { isInsideFolder } from '@tetris/onnx-format';
import {
  DataLocation,
  graphsOf,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from '@tetris/onnx-format/messages';

/** A protobuf message ends at 2 GiB. */
const MODEL_BYTES_MAX = 0x7fff_0000;

/** @throws PluginError `ERR_MODEL_INVALID` that names the file */
export async function readModel(path: string): Promise<ModelProto> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new PluginError('ERR_MODEL_INVALID', `${path} cannot be read: ${errorMessage(error)}`, { cause: error });
  });
  const model = parse(bytes);
  if (model?.graph === undefined || model.graph.node.length + model.graph.output.length === 0) {
    throw new PluginError('ERR_MODEL_INVALID', `${path} is no ONNX model`);
  }
  return model;
}

function parse(bytes: Uint8Array): ModelProto | undefined {
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch {
    return undefined;
  }
}

/**
 * Brings in the tensors that a model keeps in files beside it.
 * @throws PluginError `ERR_MODEL_INVALID`, `ERR_MODEL_TOO_LARGE`
 */
export async function inlineTensors(model: ModelProto, path: string): Promise<void> {
  const tensors = graphsOf(model).flatMap(({ initializer }) => initializer);
  const external = tensors.filter(({ dataLocation }) => dataLocation === DataLocation.EXTERNAL);
  let total = tensors.reduce((sum, { rawData }) => sum + rawData.length, 0);
  for (const tensor of external) {
    const bytes = await externalBytes(tensor, dirname(path), MODEL_BYTES_MAX - total);
    total += bytes.length;
    tensor.rawData = bytes;
    tensor.externalData = [];
    clearField(tensor, TensorProtoSchema.field.dataLocation);
  }
}

export async function writeModel(model: ModelProto, path: string): Promise<void> {
  await writeFile(path, toBinary(ModelProtoSchema, model));
}

async function externalBytes(tensor: TensorProto, folder: string, bytesMax: number): Promise<Uint8Array> {
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const location = entries.get('location') ?? '';
  if (!isInsideFolder(location)) {
    throw new PluginError('ERR_MODEL_INVALID', `tensor '${tensor.name}' lies outside of the model's folder`);
  }
  const file = await open(join(folder, location)).catch((error: unknown) => {
    throw new PluginError('ERR_MODEL_INVALID', `tensor '${tensor.name}': ${errorMessage(error)}`, { cause: error });
  });
  try {
    const offset = Number(entries.get('offset') ?? 0);
    const length = Number(entries.get('length') ?? (await file.stat()).size - offset);
    if (length > bytesMax) throw new PluginError('ERR_MODEL_TOO_LARGE', 'it exceeds the 2 GiB of one ONNX file');
    const bytes = new Uint8Array(length);
    const { bytesRead } = await file.read(bytes, 0, length, offset);
    if (bytesRead === length) return bytes;
    throw new PluginError('ERR_MODEL_INVALID', `tensor '${tensor.name}' ends outside of ${location}`);
  } finally {
    await file.close();
  }
}
