import type { Deviation } from '@tetris/invoker-extension';
/**
 * The actions that a profiled instance runs: ordinary user code, so that what is measured is what a user gets. They
 * make inputs of the asked size, or take the given ones.
 */

/** What inputs are made of. */
export interface InputOptions {
  /** Sizes of symbolic dimensions other than the first; 1 where it has none. */
  dims: Readonly<Record<string, number>>;
  /** Integer inputs are made of numbers below these; of ones where it has none. */
  vocabularies: Readonly<Record<string, number>>;
  /** One request's inputs, in place of made ones; repeated for a batch. */
  given: Readonly<Record<string, GivenInput>>;
}

/** An input as it is given: `dims` begins with 1 where the model has a batch axis. */
export interface GivenInput {
  dims: readonly number[];
  data: readonly number[];
}

/** Parameters of a measurement. */
export interface ProfileRequest extends InputOptions {
  model: string;
  graphOptimizationLevel: 'disabled' | 'all';
  batch: number;
  concurrency: number;
  /** Batches timed by each of the concurrent loops. */
  rounds: number;
}

/** What a measurement answers. */
export interface ProfileReply {
  loadMs: number;
  latenciesMs: number[];
  /** Wall-clock time of all batches. */
  totalMs: number;
}

/** Parameters of a comparison: both models answer the same requests. */
export interface CompareRequest extends InputOptions {
  model: string;
  other: string;
  samples: number;
}

export interface CompareReply {
  deviations: Deviation[];
}

const INPUTS = `
const ort = require('onnxruntime-node');

const FLOATS = new Set(['float32', 'float64']);
const ARRAYS = { float32: Float32Array, float64: Float64Array, int64: BigInt64Array, uint64: BigUint64Array, int32: Int32Array,
  uint32: Uint32Array, int16: Int16Array, uint16: Uint16Array, int8: Int8Array, uint8: Uint8Array, bool: Uint8Array };

function feedsFor(session, { batch, dims, vocabularies, given, seed }) {
  return Object.fromEntries(session.inputMetadata.map((input) => {
    const known = given[input.name];
    return [input.name, known === undefined ? made(input, batch, dims, vocabularies[input.name], seed) : repeated(input, known, batch)];
  }));
}

function arrayFor({ name, type }, length) {
  const ArrayType = ARRAYS[type];
  if (ArrayType === undefined) throw new Error('input ' + name + ' is of type ' + type + ', which the profiler cannot make up');
  return new ArrayType(length);
}

// Integers are ones where nothing is known of them: valid as token, mask and type ids of any vocabulary.
function made(input, batch, dims, vocabulary, seed) {
  const { type, shape } = input;
  const sizes = shape.map((dim, at) => (typeof dim === 'number' ? dim : at === 0 ? batch : dims[dim] || 1));
  const data = arrayFor(input, sizes.reduce((product, size) => product * size, 1));
  let state = seed * 2654435761 + 1;
  for (let at = 0; at < data.length; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const number = FLOATS.has(type) ? state / 2 ** 31 - 1 : vocabulary === undefined ? 1 : state % vocabulary;
    data[at] = type.endsWith('64') && !FLOATS.has(type) ? BigInt(number) : number;
  }
  return new ort.Tensor(type, data, sizes);
}

function repeated(input, { dims, data }, batch) {
  const { name, type, shape } = input;
  const once = dims.reduce((product, size) => product * size, 1);
  if (dims.length !== shape.length || once !== data.length) {
    throw new Error('input ' + name + ' is given with ' + data.length + ' numbers for dims [' + dims + '], the model has [' + shape + ']');
  }
  const times = typeof shape[0] === 'string' && dims[0] === 1 ? batch : 1;
  if (times !== batch) throw new Error('input ' + name + ' is given as a whole and cannot be repeated for a batch of ' + batch);
  const array = arrayFor(input, once * times);
  const numbers = type.endsWith('64') && !FLOATS.has(type) ? data.map(BigInt) : data;
  for (let time = 0; time < times; time += 1) array.set(numbers, time * once);
  return new ort.Tensor(type, array, [dims[0] * times, ...dims.slice(1)]);
}
`;

/** Loads the model and times batches on every worker at once. */
export const PROFILE_ACTION = `${INPUTS}
async function main({ model, graphOptimizationLevel, batch, concurrency, rounds, ...inputs }) {
  const loading = performance.now();
  const session = await ort.InferenceSession.create(model, { graphOptimizationLevel });
  const loadMs = performance.now() - loading;
  const feeds = feedsFor(session, { ...inputs, batch, seed: 1 });
  const latenciesMs = [];
  const loop = async (count, timed) => {
    for (let round = 0; round < count; round += 1) {
      const started = performance.now();
      await session.run(feeds);
      if (timed) latenciesMs.push(performance.now() - started);
    }
  };
  const everywhere = (count, timed) => Promise.all(Array.from({ length: concurrency }, () => loop(count, timed)));
  await everywhere(2, false);
  const started = performance.now();
  await everywhere(rounds, true);
  return { loadMs, latenciesMs, totalMs: performance.now() - started };
}
`;

/** Feeds two models with the same requests and adds up how far their outputs are apart. */
export const COMPARE_ACTION = `${INPUTS}
async function main({ model, other, samples, ...inputs }) {
  const [reference, candidate] = await Promise.all([model, other].map((path) => ort.InferenceSession.create(path)));
  const sums = new Map();
  for (let seed = 1; seed <= samples; seed += 1) {
    const feeds = feedsFor(reference, { ...inputs, batch: 1, seed });
    const [wanted, got] = [await reference.run(feeds), await candidate.run(feeds)];
    for (const name of reference.outputNames) add(sums, name, wanted[name], got[name]);
  }
  return { deviations: [...sums].map(([output, sum]) => deviation(output, sum)) };
}

function add(sums, name, wanted, got) {
  if (!(wanted.data instanceof Float32Array) && !(wanted.data instanceof Float64Array)) return;
  const sum = sums.get(name) ?? { error: 0, errorMax: 0, size: 0, sizeMax: 0, count: 0, dot: 0, one: 0, two: 0, rows: 0, same: 0 };
  sums.set(name, sum);
  for (let at = 0; at < wanted.data.length; at += 1) {
    const [x, y] = [wanted.data[at], got.data[at]];
    sum.error += Math.abs(x - y);
    sum.errorMax = Math.max(sum.errorMax, Math.abs(x - y));
    sum.size += Math.abs(x);
    sum.sizeMax = Math.max(sum.sizeMax, Math.abs(x));
    sum.dot += x * y;
    sum.one += x * x;
    sum.two += y * y;
  }
  sum.count += wanted.data.length;
  const width = wanted.dims.length === 2 ? wanted.dims[1] : 0;
  for (let from = 0; width > 1 && from < wanted.data.length; from += width) {
    sum.rows += 1;
    const top = (data) => data.subarray(from, from + width).reduce((best, value, at, row) => (value > row[best] ? at : best), 0);
    if (top(wanted.data) === top(got.data)) sum.same += 1;
  }
}

const deviation = (output, { error, errorMax, size, sizeMax, count, dot, one, two, rows, same }) => ({
  output,
  maxError: errorMax,
  meanError: error / count,
  maxRelative: errorMax / (sizeMax || 1),
  meanRelative: error / (size || 1),
  cosine: one === two && one === 0 ? 1 : dot / Math.sqrt(one * two || 1),
  ...(rows === 0 ? {} : { sameTop: same / rows }),
});
`;
