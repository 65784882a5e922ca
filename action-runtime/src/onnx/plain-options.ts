/** Options of user code reduced to what onnxruntime reads of them, in a form that can be sent to a worker. */
import { types } from 'node:util';
import { concatenated, type Numbers } from '../inference/typed-arrays';

/**
 * Reads the named options, inherited ones too, as onnxruntime does; it ignores all others.
 *
 * A value that cannot be sent becomes one that onnxruntime takes alike, or refuses in the same words: a function is an
 * object without entries to it.
 */
export function plainOptions<T extends object>(options: T, names: readonly (keyof T)[]): Partial<T> {
  const given = names.filter((name) => name in options);
  return Object.fromEntries(given.map((name) => [name, plain(options[name], new Set())])) as Partial<T>;
}

/** @param around the objects that the value lies in: one that holds itself ends there */
function plain(value: unknown, around: ReadonlySet<unknown>): unknown {
  if (typeof value === 'symbol') return null;
  if (typeof value === 'function' || around.has(value)) return {};
  if (typeof value !== 'object' || value === null) return value;
  if (types.isTypedArray(value)) return concatenated([value as Numbers]);
  if (types.isAnyArrayBuffer(value)) return value;
  const within = new Set(around).add(value);
  if (Array.isArray(value)) return Array.from({ length: value.length }, (_, index) => plain(value[index], within));
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plain(item, within)]));
}
