import { clearField, create, toBinary } from '@bufbuild/protobuf';
import {
  DataLocation,
  graphsOf,
  type ModelProto,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  TensorProtoSchema,
} from '@tetris/onnx-format/messages';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Tensors below this stay in the graph: shapes must. */
const EXTERNAL_BYTES_MIN = 256;

/**
 * Moves the tensors of a model, those of its sub-graphs too, into files of their own.
 *
 * @param folder beside which the model will lie
 * @param locationOf where each goes, by its number
 * @returns the model's bytes
 */
export function withExternalData(model: ModelProto, folder: string, locationOf: (index: number) => string): Uint8Array {
  const tensors = graphsOf(model).flatMap(({ initializer }) => initializer);
  const large = tensors.filter(({ rawData }) => rawData.length >= EXTERNAL_BYTES_MIN);
  for (const [index, tensor] of large.entries()) {
    const location = locationOf(index);
    const file = path.join(folder, location);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, tensor.rawData);
    const entries = { location, offset: '0', length: String(tensor.rawData.length) };
    clearField(tensor, TensorProtoSchema.field.rawData);
    tensor.dataLocation = DataLocation.EXTERNAL;
    tensor.externalData = Object.entries(entries).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    );
  }
  return toBinary(ModelProtoSchema, model);
}
