/**
 * From "one graph and one data file" to "one graph and a file per tensor": what to cut out, and what to write in its
 * place. Pure: the caller copies bytes and tells each cut the name its file got.
 */
import { clearField, create } from '@bufbuild/protobuf';
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
import { formatPacked, isPackedKey, isReadable, type PackedForm, parsePacked } from './prepacked';

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

/** A tensor that was saved outside the graph and has to go back into it. */
export interface Inlined {
  from: { offset: number; length: number };
  /** Puts the bytes of that range into the graph. */
  fill(bytes: Uint8Array): void;
}

export interface CutPlan {
  cuts: Cut[];
  inlined: Inlined[];
}

/**
 * Plans the cuts of a saved model that has been mended (`saved-graph.ts`).
 *
 * @param dataFile the location that external tensors may have; its size is `dataBytes`
 * @param inlineBytesMax tensors smaller than this stay in the graph
 * @throws RangeError where an entry points outside the data file: nothing of such a model may be published
 */
export function planCuts(model: ModelProto, dataFile: string, dataBytes: number, inlineBytesMax: number): CutPlan {
  const isLarge = (tensor: TensorProto): boolean =>
    isExternal(tensor) || (tensor.rawData.length >= inlineBytesMax && tensor.dataType !== TensorType.STRING);
  hoistTensors(model, isLarge);
  const [top, ...bodies] = graphsOf(model);
  const cuts = (top?.initializer ?? [])
    .filter(isLarge)
    .map((tensor) => (isExternal(tensor) ? externalCut(tensor, dataFile, dataBytes) : inlineCut(tensor)));
  const inlined = bodies
    .flatMap(({ initializer }) => initializer.filter(isExternal))
    .map((tensor) => inlinedTensor(tensor, dataFile, dataBytes));
  return { cuts, inlined };
}

function isExternal({ dataLocation }: TensorProto): boolean {
  return dataLocation === DataLocation.EXTERNAL;
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

function inlinedTensor(tensor: TensorProto, dataFile: string, dataBytes: number): Inlined {
  return {
    from: rawRange(tensor, dataFile, dataBytes),
    fill(bytes) {
      tensor.externalData = [];
      clearField(tensor, TensorProtoSchema.field.dataLocation);
      tensor.rawData = bytes;
    },
  };
}

/** Where the bytes of an external tensor lie. */
function rawRange(tensor: TensorProto, dataFile: string, dataBytes: number): { offset: number; length: number } {
  const entries = entriesOf(tensor);
  if (entries.get('location') !== dataFile) {
    throw new RangeError(`tensor '${tensor.name}' lies in '${entries.get('location') ?? ''}', not in the data file`);
  }
  const raw = { offset: Number(entries.get('offset') ?? 0), length: Number(entries.get('length') ?? Number.NaN) };
  checkRange(raw, dataBytes, tensor.name);
  return raw;
}

function entriesOf({ externalData }: TensorProto): Map<string, string> {
  return new Map(externalData.map(({ key, value }) => [key, value]));
}

function externalCut(tensor: TensorProto, dataFile: string, dataBytes: number): Cut {
  const raw = rawRange(tensor, dataFile, dataBytes);
  const packed = [...entriesOf(tensor)]
    .filter(([key]) => isPackedKey(key))
    .map(([key, text]): [string, PackedForm] => [key, parsePacked(text)])
    .filter(([, form]) => isReadable(form));
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
