/** Tensors on their way between threads: bytes are copied once, at the user's end, and moved from then on. */
import { types } from 'node:util';
import { Tensor } from 'onnxruntime-common';
import type { WireTensor, WireValue } from './protocol';

/** A copy of a user's value that may be transferred; the user's own buffer stays as it is. */
export function copyOf(value: unknown): WireValue {
  if (!(value instanceof Tensor) && !isTensorOfAnotherCopy(value)) return { value };
  const { type, dims, data } = value as Tensor;
  return { tensor: { type, dims, data: copiedData(data) } };
}

/** Buffers to transfer along with values. */
export function buffersOf(tensors: Iterable<WireTensor>): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { data } of tensors) {
    if (!Array.isArray(data) && types.isArrayBuffer(data.buffer)) buffers.add(data.buffer);
  }
  return [...buffers];
}

/** A tensor of this thread's onnxruntime over the wire's bytes, without a copy. */
export function tensorOf({ type, dims, data }: WireTensor): Tensor {
  return new Tensor(type, data, dims);
}

/** The wire form of a tensor that nobody else uses. */
export function wireOf(tensor: Tensor): WireTensor {
  return { type: tensor.type, dims: tensor.dims, data: tensor.data };
}

function copiedData(data: Tensor.DataType): Tensor.DataType {
  return Array.isArray(data) ? [...data] : (data.slice() as Tensor.DataType);
}

/** A library may construct tensors with a copy of `onnxruntime-common` of its own, e.g. its ES module build. */
function isTensorOfAnotherCopy(value: unknown): value is Tensor {
  return (
    typeof value === 'object' &&
    value !== null &&
    value.constructor.name === 'Tensor' &&
    'location' in value &&
    'dims' in value &&
    'data' in value
  );
}
