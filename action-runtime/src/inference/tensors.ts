/** Tensors on their way between threads: bytes are copied once, at the user's end, and moved from then on. */
import { types } from 'node:util';
import { Tensor } from 'onnxruntime-common';
import type { WireTensor, WireValue } from './protocol';
import { concatenated, isKnown, type Numbers, viewOf } from './typed-arrays';

/** What onnxruntime reads of a fed value: four properties of any object, whichever class or copy of a class made it. */
export interface ReadValue extends Readonly<Record<'dims' | 'type' | 'location' | 'data', unknown>> {
  /** False where the location is taken for granted: the value itself does not say it. */
  readonly saysLocation: boolean;
}

/**
 * Reads a user's value, once, without copying it.
 *
 * @returns undefined for what is no object
 * @throws what a getter of the value throws
 */
export function readValue(value: unknown): ReadValue | undefined {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
  const { dims, type, location: said } = value as ReadValue;
  const location = said === undefined ? unsaidLocation(value) : said;
  // A tensor of another device throws where it is asked for data; onnxruntime does not ask.
  const data = location === 'cpu' ? (value as ReadValue).data : undefined;
  return { dims, type, location, data, saysLocation: said !== undefined };
}

/** Bytes that a copy of the value takes; a text counts with its length. */
export function bytesOf(read: ReadValue | undefined): number {
  const data = read?.data;
  if (types.isTypedArray(data)) return viewOf(data as Numbers).byteLength;
  if (!Array.isArray(data)) return 0;
  let length = 0;
  for (let index = 0; index < data.length; index++) length += textOf(data[index])?.length ?? 0;
  return length;
}

/**
 * A copy of a user's value that may be transferred; the user's own memory stays as it is. Of what is no tensor so much
 * is kept as onnxruntime needs to refuse it in its own words.
 */
export function copyOf(read: ReadValue | undefined): WireValue {
  if (read === undefined) return { value: null };
  const [dims, data] = [copiedDims(read.dims), copiedData(read.data)];
  const [type, location] = [textOf(read.type), textOf(read.location)];
  const whole = location === 'cpu' && type !== null && dims?.every(isNumber) === true && isWhole(data);
  if (whole) return { tensor: { type: type as Tensor.Type, dims, data } };
  return { value: { type, location, dims, data } };
}

/** Buffers to transfer along with values. */
export function buffersOf(values: Iterable<WireTensor | WireValue>): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const value of values) {
    const data = 'data' in value ? value.data : 'tensor' in value ? value.tensor.data : value.value?.data;
    if (types.isTypedArray(data) && types.isArrayBuffer(data.buffer)) buffers.add(data.buffer);
  }
  return [...buffers];
}

/** A tensor of this thread's onnxruntime over the wire's bytes, without a copy. */
export function tensorOf({ type, dims, data }: WireTensor): Tensor {
  return new Tensor(type, data, dims);
}

/**
 * What the worker gives to onnxruntime for a user's value: not made by the Tensor class, which would check what
 * onnxruntime checks itself, in other words. An instance of it all the same, as results are wanted in such only.
 */
export function fedOf(wire: WireValue): Tensor {
  const value: object | null = 'tensor' in wire ? { location: 'cpu', ...wire.tensor } : wire.value;
  return (value === null ? null : Object.setPrototypeOf(value, Tensor.prototype as object)) as Tensor;
}

/**
 * Whether onnxruntime can use a fed value as it is: it takes none that does not say where it is, no elements that its
 * binding does not know, and no memory that is shared or that may move.
 */
export function isUsable(read: ReadValue | undefined): boolean {
  if (read?.location === 'cpu' && !read.saysLocation) return false;
  const data = read?.data;
  if (!types.isTypedArray(data)) return true;
  if (!isKnown(data as Numbers)) return false;
  const { buffer } = data;
  return types.isArrayBuffer(buffer) && (buffer as ArrayBuffer & { resizable?: boolean }).resizable !== true;
}

/** Writes a result into the caller's own tensor too, as stock does. Nothing where its memory is gone. */
export function fill(tensor: Tensor, { data }: Pick<WireTensor, 'data'>): void {
  const target = tensor.data;
  if (Array.isArray(target)) (data as string[]).forEach((text, index) => (target[index] = text));
  else if (viewOf(target).byteLength > 0) viewOf(target).set(viewOf(data as Numbers));
}

/** The wire form of a tensor that nobody else uses. */
export function wireOf(tensor: Tensor): WireTensor {
  return { type: tensor.type, dims: tensor.dims, data: tensor.data };
}

/**
 * Tensors of an onnxruntime-common of before 1.17 do not say where they are; onnxruntime refuses what does not, else.
 */
function unsaidLocation(value: object): string | undefined {
  const prototype = Object.getPrototypeOf(value) as object | null;
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return isPlain ? undefined : 'cpu';
}

const isNumber = (value: unknown): value is number => typeof value === 'number';
const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** Null in place of what is no number. */
function copiedDims(dims: unknown): (number | null)[] | null {
  if (!Array.isArray(dims)) return null;
  return Array.from({ length: dims.length }, (_, axis) => (isNumber(dims[axis]) ? dims[axis] : null));
}

/** Null for what is neither a typed array nor an array, and in place of elements that are no texts. */
function copiedData(data: unknown): Numbers | (string | null)[] | null {
  if (types.isTypedArray(data)) return concatenated([data as Numbers]);
  if (!Array.isArray(data)) return null;
  const copied = new Array<string | null>(data.length);
  for (let index = 0; index < copied.length; index++) copied[index] = textOf(data[index]);
  return copied;
}

function isWhole(data: ReturnType<typeof copiedData>): data is Tensor.DataType {
  return data !== null && (!Array.isArray(data) || !data.includes(null));
}
