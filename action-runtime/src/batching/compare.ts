/** Are the results of a joint run those of single runs? */
import type { Outputs, RunInput, WireTensor } from '../inference/protocol';
import { viewOf } from '../inference/typed-arrays';

/**
 * Largest difference of floating-point results, relative to the largest finite value of the tensor. Kernels round
 * differently for other batch sizes, by 1e-6 or so in deep networks; a model that mixes its rows differs by far more.
 */
export const RELATIVE_TOLERANCE = 1e-4;

/** What differs, in words; undefined where nothing does. Integers, booleans and texts must be equal. */
export function difference(joint: Outputs, single: Outputs): string | undefined {
  for (const [name, expected] of Object.entries(single)) {
    const actual = joint[name];
    if (actual === undefined || actual.type !== expected.type) return `output '${name}' has another type`;
    if (String(actual.dims) !== String(expected.dims)) return `output '${name}' has another shape`;
    if (!isClose(actual, expected)) return `output '${name}' has other values`;
  }
  return undefined;
}

/** True where some request has other bytes than the first: equal ones would hide that a model mixes its rows. */
export function tellApart(inputs: readonly RunInput[]): boolean {
  const [first, ...others] = inputs;
  return first !== undefined && others.some((other) => !hasSameFeeds(first, other));
}

function hasSameFeeds(one: RunInput, other: RunInput): boolean {
  return Object.entries(one.feeds).every(([name, fed]) => {
    const mate = other.feeds[name];
    if (mate === undefined || !('tensor' in fed) || !('tensor' in mate)) return false;
    return String(fed.tensor.dims) === String(mate.tensor.dims) && isEqual(fed.tensor.data, mate.tensor.data);
  });
}

function isEqual(one: WireTensor['data'], other: WireTensor['data']): boolean {
  if (Array.isArray(one) || Array.isArray(other)) {
    return one.length === other.length && (one as string[]).every((text, index) => text === other[index]);
  }
  return Buffer.compare(viewOf(one), viewOf(other)) === 0;
}

const FLOATS: Readonly<Record<string, (raw: number) => number>> = {
  float32: (value) => value,
  float64: (value) => value,
  float16: (raw) => halfFloat(raw),
};

function isClose(actual: WireTensor, expected: WireTensor): boolean {
  const decode = FLOATS[actual.type];
  if (decode === undefined) return isEqual(actual.data, expected.data);
  const [one, other] = [actual, expected].map(({ data }) => numbers(data as ArrayLike<number>, decode));
  if (one === undefined || other?.length !== one.length) return false;
  const scale = other.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
  return one.every((value, index) => {
    const wanted = other[index] ?? NaN;
    return Object.is(value, wanted) || Math.abs(value - wanted) <= RELATIVE_TOLERANCE * scale;
  });
}

function numbers(data: ArrayLike<number>, decode: (raw: number) => number): Float64Array {
  // Where Node has a Float16Array its elements are numbers already.
  const raw = data.constructor.name === 'Uint16Array';
  return Float64Array.from(data, raw ? decode : (value) => value);
}

/** IEEE 754 half precision. */
function halfFloat(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
