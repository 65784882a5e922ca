/** Seeded data of every element type. */
import { type TensorProto, TensorType } from '@tetris/onnx-format/messages';
import { tensor } from '../../models/messages';
import { Random, seedOf } from '../../models/random';

/** Lowest and highest value that is drawn. */
export type Range = readonly [low: number, high: number];

const FLOATS = new Set<number>([TensorType.FLOAT, TensorType.DOUBLE, TensorType.FLOAT16, TensorType.BFLOAT16]);
const UNSIGNED = new Set<number>([TensorType.UINT8, TensorType.UINT16, TensorType.UINT32, TensorType.UINT64]);

function rangeOf(dataType: number): Range {
  if (FLOATS.has(dataType)) return [-1, 1];
  if (dataType === TensorType.BOOL) return [0, 1];
  return UNSIGNED.has(dataType) ? [0, 100] : [-100, 100];
}

/** A tensor of drawn values: the same for the same seed and name. @param dataType a `TensorType` */
export function drawn(
  name: string,
  dataType: number,
  dims: readonly number[],
  seed: number,
  [low, high]: Range = rangeOf(dataType),
): TensorProto {
  const count = dims.reduce((product, size) => product * size, 1);
  const values = new Float32Array(count);
  const whole = !FLOATS.has(dataType);
  // Integers: every value of the range is as likely.
  const limit = (high - low + (whole ? 1 : 0)) / 2;
  new Random(seedOf(seed, name)).fill(values, { center: low + limit, limit });
  const numbers = Array.from(values, (value) => (whole ? Math.min(high, Math.floor(value)) : value));
  return tensor(name, dataType, dims, dataOf(dataType, numbers));
}

/** Numbers as the bytes of a type; as words for texts. */
export function dataOf(dataType: number, numbers: readonly number[]): ArrayBufferView | readonly string[] {
  const make = MAKERS[dataType];
  if (make === undefined) throw new RangeError(`no numbers are drawn for element type ${dataType}`);
  return make(numbers);
}

type Maker = (numbers: readonly number[]) => ArrayBufferView | readonly string[];

const MAKERS: Readonly<Record<number, Maker>> = {
  [TensorType.FLOAT]: (numbers) => Float32Array.from(numbers),
  [TensorType.DOUBLE]: (numbers) => Float64Array.from(numbers),
  [TensorType.FLOAT16]: (numbers) => Uint16Array.from(numbers, halfBits),
  [TensorType.BFLOAT16]: (numbers) => Uint16Array.from(numbers, (value) => floatBits(value) >>> 16),
  [TensorType.INT8]: (numbers) => Int8Array.from(numbers),
  [TensorType.UINT8]: (numbers) => Uint8Array.from(numbers),
  [TensorType.INT16]: (numbers) => Int16Array.from(numbers),
  [TensorType.UINT16]: (numbers) => Uint16Array.from(numbers),
  [TensorType.INT32]: (numbers) => Int32Array.from(numbers),
  [TensorType.UINT32]: (numbers) => Uint32Array.from(numbers),
  [TensorType.INT64]: (numbers) => BigInt64Array.from(numbers, BigInt),
  [TensorType.UINT64]: (numbers) => BigUint64Array.from(numbers, BigInt),
  [TensorType.BOOL]: (numbers) => Uint8Array.from(numbers),
  [TensorType.STRING]: (numbers) => numbers.map((value) => `Wort ${value} für ${value % 2 === 0 ? '日本' : 'Ω'}`),
  [TensorType.UINT4]: (numbers) => nibbles(numbers),
  [TensorType.INT4]: (numbers) => nibbles(numbers),
};

function floatBits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0;
}

/** IEEE 754 half precision, cut off; what is too small for its exponent becomes zero. */
function halfBits(value: number): number {
  const bits = floatBits(value);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 127 + 15;
  return exponent <= 0 ? sign : sign | (Math.min(exponent, 30) << 10) | ((bits >>> 13) & 0x3ff);
}

/** Two elements a byte, the first in the lower half. */
function nibbles(numbers: readonly number[]): Uint8Array {
  return Uint8Array.from({ length: Math.ceil(numbers.length / 2) }, (_, index) => {
    return ((numbers[2 * index] ?? 0) & 15) | (((numbers[2 * index + 1] ?? 0) & 15) << 4);
  });
}
