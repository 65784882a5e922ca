import { create, type DescMessage, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import {
  DataLocation,
  GraphProtoSchema,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorType,
} from '@tetris/onnx-format/messages';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import type { ConstantSpec, ModelDefinition, WeightSpec } from './graph-builder';
import { Random } from './random';

/** External weights begin at multiples of this. */
const ALIGNMENT = 4096;

/** ONNX intermediate representation 9 with operator set 17: LayerNormalization is the newest operator used. */
const IR_VERSION = 9n;
const OPSET_VERSION = 17n;

/** Weights are drawn and written in pieces of this many numbers: 1 MiB, so that a piece stays in the cache. */
const PIECE_NUMBERS = 262_144;

/** Bytes of a file at most: protobuf's 2 GiB of one message. */
const MESSAGE_BYTES_MAX = 0x7fff_0000;

/**
 * Writes a definition as one ONNX file, weights inline as `raw_data`. Memory stays within a few MB whatever the size.
 * The same definition gives the same bytes. The file appears whole or not at all.
 *
 * @throws RangeError where the model exceeds the 2 GiB of a protobuf message
 */
export async function writeModel(definition: ModelDefinition, path: string): Promise<void> {
  await writeParts(definition, definition.weights.map(weightPart), path);
}

/**
 * As {@link writeModel}, but the weights lie in `<path>.data` beside the model, as ONNX's external data: together they
 * may have any size. The model appears after its data.
 */
export async function writeExternalModel(definition: ModelDefinition, path: string): Promise<void> {
  const data = `${path}.data`;
  let end = 0;
  const placed = definition.weights.map((spec) => {
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    end = offset + 4 * countOf(spec);
    return { spec, offset };
  });
  await writeWhole(data, async (file) => {
    for (const { spec, offset } of placed) await writeNumbers(spec, file, offset);
  });
  const weights = placed.map(({ spec, offset }) => externalPart(spec, basename(data), offset));
  await writeParts(definition, weights, path);
}

async function writeParts(definition: ModelDefinition, weights: readonly TensorPart[], path: string): Promise<void> {
  const tensors = [...definition.constants.map(constantPart), ...weights];
  const graph = toBinary(GraphProtoSchema, definition.graph);
  const graphBytes = graph.length + tensors.reduce((sum, { head, dataBytes }) => sum + head.length + dataBytes, 0);
  if (graphBytes > MESSAGE_BYTES_MAX) {
    throw new RangeError(`model ${definition.name} would take ${graphBytes} bytes, over the 2 GiB of one message`);
  }
  await writeWhole(path, async (file) => {
    await file.write(modelHead());
    await file.write(lengthDelimited(ModelProtoSchema, 'graph', graphBytes));
    await file.write(graph);
    for (const tensor of tensors) {
      await file.write(tensor.head);
      await tensor.write(file);
    }
  });
}

async function writeWhole(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  const file = await open(partial, 'w');
  try {
    await write(file);
    await file.close();
    await rename(partial, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw error;
  }
}

/** One `initializer` of the graph: everything up to the data, and what writes the data. */
interface TensorPart {
  head: Uint8Array;
  dataBytes: number;
  write: (file: FileHandle) => Promise<void>;
}

function modelHead(): Uint8Array {
  const head = create(ModelProtoSchema, {
    irVersion: IR_VERSION,
    producerName: 'tetris-bench',
    opsetImport: [{ domain: '', version: OPSET_VERSION }],
  });
  return toBinary(ModelProtoSchema, head);
}

function constantPart({ name, values }: ConstantSpec): TensorPart {
  const tensor = create(TensorProtoSchema, { name, dims: [BigInt(values.length)], dataType: TensorType.INT64 });
  const data = Buffer.from(BigInt64Array.from(values.map(BigInt)).buffer);
  return {
    ...tensorHead(tensor, data.length),
    write: async (file) => {
      await file.write(data);
    },
  };
}

function weightPart(spec: WeightSpec): TensorPart {
  return { ...tensorHead(weightTensor(spec), 4 * countOf(spec)), write: (file) => writeNumbers(spec, file) };
}

/** A weight whose numbers lie at `offset` of the file `location`. */
function externalPart(spec: WeightSpec, location: string, offset: number): TensorPart {
  const entries = { location, offset: String(offset), length: String(4 * countOf(spec)) };
  const tensor = weightTensor(spec);
  tensor.dataLocation = DataLocation.EXTERNAL;
  tensor.externalData = Object.entries(entries).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value }),
  );
  const fields = toBinary(TensorProtoSchema, tensor);
  const message = lengthDelimited(GraphProtoSchema, 'initializer', fields.length);
  return { head: Buffer.concat([message, fields]), dataBytes: 0, write: () => Promise.resolve() };
}

function weightTensor({ name, dims }: WeightSpec): TensorProto {
  return create(TensorProtoSchema, { name, dims: dims.map(BigInt), dataType: TensorType.FLOAT });
}

function countOf({ dims }: WeightSpec): number {
  return dims.reduce((product, size) => product * size, 1);
}

/** Draws the numbers and writes them in pieces. @param offset in the file; without it, where the file stands */
async function writeNumbers(spec: WeightSpec, file: FileHandle, offset?: number): Promise<void> {
  const count = countOf(spec);
  const random = new Random(spec.seed);
  const piece = new Float32Array(Math.min(PIECE_NUMBERS, count));
  for (let done = 0; done < count; done += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, count - done));
    random.fill(part, spec.spread);
    const at = offset === undefined ? null : offset + 4 * done;
    await file.write(Buffer.from(part.buffer, 0, part.byteLength), 0, part.byteLength, at);
  }
}

/** The message is cut where its data begins: `raw_data` comes last, and only its tag and length are made here. */
function tensorHead(tensor: TensorProto, dataBytes: number): { head: Uint8Array; dataBytes: number } {
  const fields = toBinary(TensorProtoSchema, tensor);
  const rawData = lengthDelimited(TensorProtoSchema, 'rawData', dataBytes);
  const message = lengthDelimited(GraphProtoSchema, 'initializer', fields.length + rawData.length + dataBytes);
  return { head: Buffer.concat([message, fields, rawData]), dataBytes };
}

/** Tag and length of a field whose content follows. */
function lengthDelimited<T extends DescMessage>(
  schema: T,
  field: keyof T['field'] & string,
  bytes: number,
): Uint8Array {
  const number = schema.field[field]?.number;
  if (number === undefined) throw new RangeError(`${schema.typeName} has no field ${field}`);
  return new BinaryWriter().tag(number, WireType.LengthDelimited).uint32(bytes).finish();
}
