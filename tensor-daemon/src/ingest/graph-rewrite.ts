/**
 * From "one graph and one data file" to "one graph and a file per tensor": what to cut out, and what to write in its
 * place. Pure: the caller copies bytes and tells each cut the name its file got.
 */
import { clearField, create } from '@bufbuild/protobuf';
import { PluginError } from '@tetris/common/errors';
import {
  DataLocation,
  graphsOf,
  type ModelProto,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorType,
} from '@tetris/onnx-format/messages';
import { hoistTensors } from './hoist';
import { formatPacked, isPackedKey, type PackedForm, parsePacked } from './prepacked';

/** Parts of a tensor file begin at multiples of this: a page, so that each part can be mapped by itself. */
export const PART_ALIGNMENT = 4096;

/** Bytes to copy: a range of the data file, or bytes that lay in the graph itself. */
export type Part = { offset: number; length: number } | Uint8Array;

/** One tensor file to make. */
export interface Cut {
  name: string;
  /** The raw bytes, then its packed blobs; each begins at a multiple of {@link PART_ALIGNMENT}. */
  parts: Part[];
  /** Bytes of the file. */
  bytes: number;
  /** Points the graph at the file; to be called once its name is known. */
  place(location: string): void;
}

/**
 * Plans the cuts of a saved model and tidies what onnxruntime leaves twice: an initializer of a sub-graph is saved
 * inline and again as external data; the later one counts.
 *
 * @param dataFile the location that external tensors may have; its size is `dataBytes`
 * @param inlineBytesMax tensors smaller than this stay in the graph
 * @throws RangeError where an entry points outside the data file: nothing of such a model may be published
 * @throws PluginError `ERR_MODEL_UNSHAREABLE` where a large tensor of a sub-graph cannot be moved out of it
 */
export function planCuts(model: ModelProto, dataFile: string, dataBytes: number, inlineBytesMax: number): Cut[] {
  const [top, ...bodies] = graphsOf(model);
  if (top === undefined) return [];
  const isLarge = (tensor: TensorProto): boolean =>
    isExternal(tensor) || (tensor.rawData.length >= inlineBytesMax && tensor.dataType !== TensorType.STRING);
  for (const graph of [top, ...bodies]) graph.initializer = lastOfEachName(graph.initializer);
  hoistTensors(top, bodies, isLarge);
  for (const { initializer } of bodies) {
    const left = initializer.find(isExternal);
    if (left !== undefined) {
      throw new PluginError('ERR_MODEL_UNSHAREABLE', `tensor '${left.name}' is an input or output of its sub-graph`);
    }
  }
  return top.initializer
    .filter(isLarge)
    .map((tensor) => (isExternal(tensor) ? externalCut(tensor, dataFile, dataBytes) : inlineCut(tensor)));
}

function isExternal({ dataLocation }: TensorProto): boolean {
  return dataLocation === DataLocation.EXTERNAL;
}

function lastOfEachName(tensors: TensorProto[]): TensorProto[] {
  return [...new Map(tensors.map((tensor) => [tensor.name, tensor])).values()];
}

function inlineCut(tensor: TensorProto): Cut {
  const { rawData } = tensor;
  return {
    name: tensor.name,
    parts: [rawData],
    bytes: rawData.length,
    place(location) {
      clearField(tensor, TensorProtoSchema.field.rawData);
      tensor.dataLocation = DataLocation.EXTERNAL;
      setEntries(tensor, { location, offset: '0', length: String(rawData.length) });
    },
  };
}

function externalCut(tensor: TensorProto, dataFile: string, dataBytes: number): Cut {
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  if (entries.get('location') !== dataFile) {
    throw new RangeError(`tensor '${tensor.name}' lies in '${entries.get('location') ?? ''}', not in the data file`);
  }
  const raw = { offset: Number(entries.get('offset') ?? 0), length: Number(entries.get('length') ?? Number.NaN) };
  const packed = [...entries]
    .filter(([key]) => isPackedKey(key))
    .map(([key, text]): [string, PackedForm] => [key, parsePacked(text)]);
  const parts = [raw, ...packed.flatMap(([, form]) => form.blobs)];
  for (const part of parts) checkRange(part, dataBytes, tensor.name);

  const { offsets, end } = layOut(parts.map(({ length }) => length));
  return {
    name: tensor.name,
    parts,
    bytes: end,
    place(location) {
      const next = offsets.slice(1)[Symbol.iterator]();
      const moved = packed.map(([key, { id, blobs }]): [string, string] => {
        const rebased = blobs.map((blob) => ({ ...blob, offset: Number(next.next().value) }));
        return [key, formatPacked({ id, blobs: rebased })];
      });
      setEntries(tensor, { location, offset: '0', length: String(raw.length), ...Object.fromEntries(moved) });
    },
  };
}

function checkRange({ offset, length }: { offset: number; length: number }, dataBytes: number, name: string): void {
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
    throw new RangeError(`tensor '${name}' has no sound offset and length`);
  }
  if (offset + length > dataBytes) throw new RangeError(`tensor '${name}' ends outside the data file`);
}

/** Offsets of parts laid one after the other, each at a multiple of the alignment. */
export function layOut(lengths: number[]): { offsets: number[]; end: number } {
  const offsets: number[] = [];
  let end = 0;
  for (const length of lengths) {
    const offset = alignUp(end);
    offsets.push(offset);
    end = offset + length;
  }
  return { offsets, end };
}

/** The next multiple of {@link PART_ALIGNMENT}. */
function alignUp(offset: number): number {
  return Math.ceil(offset / PART_ALIGNMENT) * PART_ALIGNMENT;
}

function setEntries(tensor: TensorProto, entries: Record<string, string>): void {
  tensor.externalData = Object.entries(entries).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value }),
  );
}
