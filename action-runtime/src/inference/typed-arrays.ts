/**
 * What a typed array is, asked of the language itself. `Buffer` and other subclasses replace methods and may replace
 * getters: `Buffer.prototype.slice`, for one, makes no copy.
 */
import type { Tensor } from 'onnxruntime-common';

/** Data of a tensor of any type but `string`. */
export type Numbers = Exclude<Tensor.DataType, readonly string[]>;

interface NumbersConstructor {
  readonly name: string;
  new (buffer: ArrayBufferLike): Numbers;
  readonly prototype: object;
}

const ABSTRACT = Object.getPrototypeOf(Uint8Array.prototype) as object;

/**
 * By name. onnxruntime's binding takes half floats as Uint16Array; the Float16Array that Node 24 has it does not know.
 */
const CONSTRUCTORS = {
  ...{ Float32Array, Float64Array, Uint8Array, Uint8ClampedArray, Int8Array, Uint16Array, Int16Array },
  ...{ Int32Array, Uint32Array, BigInt64Array, BigUint64Array, Float16Array: Uint16Array },
} as object as Readonly<Record<string, NumbersConstructor | undefined>>;

/** Whether onnxruntime's binding knows arrays of these elements. */
export const isKnown = (array: Numbers): boolean => constructorOf(array).name === nameOf(array);

const nameOf = (array: Numbers): string => String(Reflect.get(ABSTRACT, Symbol.toStringTag, array));

/** The language's own class for the elements of an array: `Uint8Array` for a Buffer. */
export function constructorOf(array: Numbers): NumbersConstructor {
  const name = nameOf(array);
  const found = CONSTRUCTORS[name];
  if (found === undefined) throw new TypeError(`${name} is no typed array`);
  return found;
}

/** The bytes of an array, over the same memory; none where the memory is gone. */
export function viewOf(array: Numbers): Uint8Array {
  const byteLength = Reflect.get(ABSTRACT, 'byteLength', array) as number;
  if (byteLength === 0) return new Uint8Array(0);
  const buffer = Reflect.get(ABSTRACT, 'buffer', array) as ArrayBufferLike;
  return new Uint8Array(buffer, Reflect.get(ABSTRACT, 'byteOffset', array) as number, byteLength);
}

/**
 * A copy of the elements of arrays of one class, one after the other. It has a buffer of its own, neither pooled nor
 * cleared before it is written, which may be transferred.
 */
export function concatenated(arrays: readonly [Numbers, ...Numbers[]]): Numbers {
  const views = arrays.map(viewOf);
  const bytes = Buffer.allocUnsafeSlow(views.reduce((total, { byteLength }) => total + byteLength, 0));
  let at = 0;
  for (const view of views) {
    bytes.set(view, at);
    at += view.byteLength;
  }
  return new (constructorOf(arrays[0]))(bytes.buffer);
}
