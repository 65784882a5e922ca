/** Requests of unlike lengths made alike, for models with a mask that tells what of an input counts. */
import type { InferenceSession } from 'onnxruntime-common';
import type { Outputs, RunInput, SessionInfo, WireTensor } from '../inference/protocol';

type TensorMetadata = Extract<InferenceSession.ValueMetadata, { isTensor: true }>;

/** Lengths up to this one are joined with each other; beyond, up to each next power of two. */
const BUCKET_MIN = 16;

/** The sequence axis of a model: its symbol is the mask's second one. */
export class Padding {
  readonly #symbol: string;
  readonly #info: SessionInfo;
  readonly #mask: string;

  private constructor(info: SessionInfo, mask: TensorMetadata, symbol: string) {
    this.#info = info;
    this.#mask = mask.name;
    this.#symbol = symbol;
  }

  /** Undefined for a model without an input `...mask` over `[batch, sequence]`, both symbolic. */
  static of(info: SessionInfo): Padding | undefined {
    for (const input of info.inputMetadata) {
      if (!input.isTensor || !/mask$/i.test(input.name) || input.shape.length !== 2) continue;
      const [batch, symbol] = input.shape;
      if (typeof symbol === 'string' && symbol !== '' && symbol !== batch) return new Padding(info, input, symbol);
    }
    return undefined;
  }

  /** How long the request's sequences are. */
  lengthOf({ feeds }: RunInput): number {
    const fed = feeds[this.#mask];
    return fed !== undefined && 'tensor' in fed ? (fed.tensor.dims[1] ?? 0) : 0;
  }

  /** Longest length that is joined with the request's. */
  bucketOf(input: RunInput): number {
    return Math.max(BUCKET_MIN, 2 ** Math.ceil(Math.log2(Math.max(1, this.lengthOf(input)))));
  }

  /** The dims of an input with its sequence axis as long as the bucket: equal for all that may be joined. */
  dimsIn(bucket: number, name: string, dims: readonly number[]): number[] {
    const axes = this.#axesOf(this.#info.inputMetadata, name);
    return dims.map((size, axis) => (axes.includes(axis) ? bucket : size));
  }

  /** The request with zeros after its sequences, in the mask above all. Copies what becomes longer. */
  padded(input: RunInput, length: number): RunInput {
    if (this.lengthOf(input) === length) return input;
    const feeds = Object.entries(input.feeds).map(([name, fed]) => {
      if (!('tensor' in fed)) return [name, fed];
      const axes = this.#axesOf(this.#info.inputMetadata, name);
      return [name, { tensor: resized(fed.tensor, axes, length) }];
    });
    return { ...input, feeds: Object.fromEntries(feeds) as RunInput['feeds'] };
  }

  /** Results of a padded request without what belongs to the padding. */
  cut(outputs: Outputs, length: number): Outputs {
    const cut = Object.entries(outputs).map(([name, tensor]) => {
      const axes = this.#axesOf(this.#info.outputMetadata, name);
      return [name, resized(tensor, axes, length)];
    });
    return Object.fromEntries(cut) as Outputs;
  }

  #axesOf(metadata: readonly InferenceSession.ValueMetadata[], name: string): number[] {
    const found = metadata.find((value) => value.name === name);
    if (found?.isTensor !== true) return [];
    return found.shape.flatMap((symbol, axis) => (symbol === this.#symbol ? [axis] : []));
  }
}

/** The tensor with these axes `length` long: cut at the end, or filled with zeros there. */
function resized(tensor: WireTensor, axes: readonly number[], length: number): WireTensor {
  return axes.reduce((before, axis) => resizedAlong(before, axis, length), tensor);
}

function resizedAlong({ type, dims, data }: WireTensor, axis: number, length: number): WireTensor {
  const from = dims[axis] ?? 0;
  const block = dims.slice(axis + 1).reduce((product, size) => product * size, 1);
  const blocks = dims.slice(0, axis).reduce((product, size) => product * size, 1);
  const newDims = dims.map((size, at) => (at === axis ? length : size));
  if (from === length) return { type, dims, data };
  if (Array.isArray(data)) {
    const rows = Array.from({ length: blocks }, (_, at) => {
      const row = data.slice(at * from * block, (at * from + Math.min(from, length)) * block);
      return [...row, ...Array.from({ length: Math.max(0, length - from) * block }, () => '')];
    });
    return { type, dims: newDims, data: rows.flat() };
  }
  const source = data as Float32Array;
  const TypedArray = data.constructor as new (length: number) => Float32Array;
  const target = new TypedArray(blocks * length * block);
  for (let at = 0; at < blocks; at += 1) {
    const kept = source.subarray(at * from * block, (at * from + Math.min(from, length)) * block);
    target.set(kept, at * length * block);
  }
  return { type, dims: newDims, data: target };
}
