/** Requests joined along the batch axis, and their results cut apart again. */
import type { InferenceSession } from 'onnxruntime-common';
import type { Outputs, RunInput, SessionInfo, WireTensor } from '../inference/protocol';
import { concatenated, type Numbers } from '../inference/typed-arrays';
import type { Padding } from './padding';

/** What can be joined with what: requests of equal `key`, `rows` each. */
export interface Joinable {
  key: string;
  rows: number;
}

type Metadata = InferenceSession.TensorValueMetadata;

/** Types whose elements are no whole bytes: a row may end within one. */
const PACKED_TYPES: ReadonlySet<string> = new Set(['int4', 'uint4']);

/**
 * The symbol of the batch axis: the first axis of every input and every output, and no other axis of any of them.
 * Undefined for a model that cannot be batched.
 */
export function batchSymbol({ inputMetadata, outputMetadata }: SessionInfo): string | undefined {
  const values = [...inputMetadata, ...outputMetadata];
  const first = values[0];
  const symbol = first?.isTensor === true ? first.shape[0] : undefined;
  if (typeof symbol !== 'string' || symbol === '' || inputMetadata.length === 0 || outputMetadata.length === 0)
    return undefined;
  const fits = values.every(
    (value) => value.isTensor && value.shape.lastIndexOf(symbol) === 0 && !PACKED_TYPES.has(value.type),
  );
  return fits ? symbol : undefined;
}

/**
 * Undefined for a request that has to run alone: a feed that is wrong, so that its error is its own; no rows; options;
 * results wanted in tensors of the caller.
 *
 * @param padding makes requests of unlike lengths joinable
 */
export function joinable({ inputMetadata }: SessionInfo, input: RunInput, padding?: Padding): Joinable | undefined {
  const { feeds, fetches, options } = input;
  if (Object.keys(options).length > 0 || Object.values(fetches).some((wanted) => wanted !== null)) return undefined;
  const sizes = new Map<string, number>();
  const shapes: (readonly number[])[] = [];
  const bucket = padding?.bucketOf(input);
  for (const metadata of inputMetadata as readonly Metadata[]) {
    const fed = feeds[metadata.name];
    if (fed === undefined || !('tensor' in fed) || !matches(fed.tensor, metadata, sizes)) return undefined;
    const { dims } = fed.tensor;
    shapes.push((bucket === undefined ? dims : (padding?.dimsIn(bucket, metadata.name, dims) ?? dims)).slice(1));
  }
  const rows = sizes.get(String(inputMetadata[0]?.isTensor === true ? inputMetadata[0].shape[0] : '')) ?? 0;
  return rows < 1 ? undefined : { key: JSON.stringify([shapes, Object.keys(fetches).sort()]), rows };
}

/** Bytes of a request's inputs; a text counts with its length. */
export function inputBytes({ feeds }: Pick<RunInput, 'feeds'>): number {
  const sizes = Object.values(feeds).map((fed) => {
    if (!('tensor' in fed)) return 0;
    const { data } = fed.tensor;
    return Array.isArray(data) ? data.reduce((sum, text) => sum + text.length, 0) : data.byteLength;
  });
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

/** One request that holds the rows of all, in their order. The only copy of their bytes on the way to the worker. */
export function joinInputs(inputs: readonly RunInput[]): RunInput {
  const [first] = inputs;
  if (first === undefined) throw new RangeError('nothing to join');
  const names = Object.keys(first.feeds);
  const feeds = names.map((name) => [name, { tensor: joinTensors(inputs.map((input) => tensorAt(input, name))) }]);
  return { ...first, feeds: Object.fromEntries(feeds) as RunInput['feeds'] };
}

/**
 * The results of each request: copies, since user code may look at the whole buffer behind a result.
 *
 * @throws RangeError where a result has another number of rows than went in
 */
export function splitOutputs(outputs: Outputs, rows: readonly number[]): Outputs[] {
  const total = rows.reduce((sum, count) => sum + count, 0);
  for (const [name, { dims }] of Object.entries(outputs)) {
    if (dims[0] !== total) throw new RangeError(`output '${name}' has ${dims[0]} rows for ${total} that went in`);
  }
  let from = 0;
  return rows.map((count) => {
    const cut = Object.entries(outputs).map(([name, tensor]) => [name, rowsOf(tensor, from, count)]);
    from += count;
    return Object.fromEntries(cut) as Outputs;
  });
}

function matches({ type, dims, data }: WireTensor, metadata: Metadata, sizes: Map<string, number>): boolean {
  const { shape } = metadata;
  if (type !== metadata.type || dims.length !== shape.length) return false;
  if (data.length !== dims.reduce((product, size) => product * size, 1)) return false;
  return dims.every((size, axis) => {
    const wanted = shape[axis];
    if (typeof wanted === 'number' || wanted === undefined || wanted === '') return wanted === '' || size === wanted;
    const known = sizes.get(wanted) ?? size;
    sizes.set(wanted, known);
    return size === known;
  });
}

function tensorAt({ feeds }: RunInput, name: string): WireTensor {
  const fed = feeds[name];
  if (fed === undefined || !('tensor' in fed)) throw new RangeError(`input '${name}' is no tensor`);
  return fed.tensor;
}

function joinTensors(tensors: readonly WireTensor[]): WireTensor {
  const [first] = tensors;
  if (first === undefined) throw new RangeError('nothing to join');
  const rows = tensors.reduce((total, { dims }) => total + (dims[0] ?? 0), 0);
  return { type: first.type, dims: [rows, ...first.dims.slice(1)], data: joinData(tensors.map(({ data }) => data)) };
}

function joinData(parts: readonly WireTensor['data'][]): WireTensor['data'] {
  const [first] = parts;
  if (first === undefined || Array.isArray(first)) return (parts as string[][]).flat();
  return concatenated(parts as [Numbers, ...Numbers[]]);
}

function rowsOf({ type, dims, data }: WireTensor, from: number, count: number): WireTensor {
  const rowLength = dims.slice(1).reduce((product, size) => product * size, 1);
  const cut = data.slice(from * rowLength, (from + count) * rowLength) as WireTensor['data'];
  return { type, dims: [count, ...dims.slice(1)], data: cut };
}
