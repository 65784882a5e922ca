'use strict';

// An ordinary action: loads the model that it is told, runs it with the feeds that it is told, and reports all that user
// code can see: names, metadata, results and errors. The same file runs in plain Node. Nothing in it knows of sharing.

const fs = require('node:fs');
const path = require('node:path');
const ort = require('onnxruntime-node');

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: globalThis.Float16Array ?? Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
};

/** A copy of onnxruntime-common that a bundler has put into an action and minified. */
class e {
  constructor(type, data, dims) {
    Object.assign(this, { type, data, dims, location: 'cpu', size: data.length });
  }
}

/** An array type of a library, such as one that keeps its name beside the numbers. */
const subclasses = new Map(Object.values(ARRAYS).map((Base) => [Base, class extends Base {}]));

/** A page of zeros, then the bytes, then a page of ones: whoever reads past the array does not find what was meant. */
function within(bytes, before) {
  const buffer = new Uint8Array(before + bytes.length + 64).fill(255);
  buffer.fill(0, 0, before);
  buffer.set(bytes, before);
  return buffer.buffer;
}

/** The ways in which actions hold the numbers that they feed. Each gives a typed array over a copy of `bytes`. */
const HOLDERS = {
  own: (TypedArray, bytes) => new TypedArray(new Uint8Array(bytes).buffer),
  offset: (TypedArray, bytes) => new TypedArray(within(bytes, 64), 64, bytes.length / TypedArray.BYTES_PER_ELEMENT),
  pooled: (TypedArray, bytes) => {
    // Buffers of up to 4 kB lie side by side in Node's pool.
    const pooled = Buffer.from(Buffer.concat([bytes, Buffer.alloc(8)]));
    const start = Math.ceil(pooled.byteOffset / 8) * 8;
    bytes.copy(pooled, start - pooled.byteOffset);
    return new TypedArray(pooled.buffer, start, bytes.length / TypedArray.BYTES_PER_ELEMENT);
  },
  buffer: (TypedArray, bytes) =>
    TypedArray === Uint8Array ? Buffer.from(bytes) : new TypedArray(new Uint8Array(bytes).buffer),
  subclass: (TypedArray, bytes) => new (subclasses.get(TypedArray))(new Uint8Array(bytes).buffer),
};

/** The ways in which actions feed, in the order in which runs take turns at them. */
const MANNERS = [
  { holder: 'own' },
  { holder: 'offset' },
  { holder: 'buffer' },
  { holder: 'pooled', bareFeeds: true },
  { holder: 'subclass' },
  { holder: 'own', bundled: true },
];

function valueOf({ type, dims, data, texts }, { holder, bundled }) {
  // What onnxruntime-node cannot be fed with: it says so.
  if (type === 'sequence') return [];
  if (type === 'map') return {};
  if (type === 'optional') return null;
  const Tensor = bundled ? e : ort.Tensor;
  if (texts !== undefined) return new Tensor('string', texts, dims);
  return new Tensor(type, HOLDERS[holder](ARRAYS[type] ?? Uint8Array, Buffer.from(data, 'base64')), dims);
}

function feedsOf(values, manner) {
  const feeds = manner.bareFeeds ? Object.create(null) : {};
  for (const [name, value] of Object.entries(values)) feeds[name] = valueOf(value, manner);
  return feeds;
}

/** Other feeds of the same types and shapes: every tensor's elements are moved up by `places`, around the end. */
function shifted(values, places) {
  const moved = Object.entries(values).map(([name, value]) => [name, shiftedValue(value, places)]);
  return Object.fromEntries(moved);
}

function shiftedValue(value, places) {
  const { type, data, texts } = value;
  if (texts !== undefined) return { ...value, texts: turned(texts, places) };
  const size = ARRAYS[type]?.BYTES_PER_ELEMENT ?? 1;
  if (data === undefined) return value;
  const bytes = Buffer.from(data, 'base64');
  const at = bytes.length === 0 ? 0 : (places * size) % bytes.length;
  return { ...value, data: Buffer.concat([bytes.subarray(at), bytes.subarray(0, at)]).toString('base64') };
}

const turned = (list, places) => list.map((_, index) => list[(index + places) % list.length]);

function shown(tensor) {
  const { type, dims, data } = tensor;
  if (Array.isArray(data)) return { type, dims: [...dims], texts: data };
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return { type, dims: [...dims], data: bytes.toString('base64'), array: data.constructor.name };
}

/** An error as a user sees it, its class with it. */
const failure = (error) => ({
  error: { class: error?.constructor?.name ?? typeof error, message: String(error?.message) },
});

async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    return failure(error);
  }
}

async function runOf(session, values, manner) {
  return attempt(async () => {
    const feeds = feedsOf(values, manner);
    const results = await session.run(feeds);
    const outputs = Object.entries(results).map(([name, tensor]) => [name, shown(tensor)]);
    return { outputs: Object.fromEntries(outputs), unchanged: isUnchanged(feeds, values, manner) };
  });
}

/** The caller's own data is as it was. */
function isUnchanged(feeds, values, manner) {
  return Object.entries(values).every(([name, { data }]) => {
    if (data === undefined) return true;
    const { buffer, byteOffset, byteLength } = feeds[name].data;
    return Buffer.from(buffer, byteOffset, byteLength).equals(Buffer.from(data, 'base64'));
  });
}

/** By bytes, a model finds its external data in the working folder, as one that lies there by its name would. */
async function load({ model, by, options }) {
  process.chdir(path.dirname(model));
  return ort.InferenceSession.create(by === 'bytes' ? fs.readFileSync(model) : model, options);
}

/**
 * @param model path of the file; `by`: 'path' or 'bytes'; `dataSets`: values by name of input; `first`: which manner of
 *   feeding begins; `together`: calls that are made at once, twice, each with other numbers
 */
async function main({ model, by, options, dataSets, first = 0, together = 0 }) {
  const session = await attempt(() => load({ model, by, options }));
  if (session.error !== undefined) return { load: session };
  const { inputNames, outputNames, inputMetadata, outputMetadata } = session;
  const alone = [];
  for (const [index, values] of dataSets.entries()) {
    alone.push(await runOf(session, values, MANNERS[(first + index) % MANNERS.length]));
  }
  const joined = [];
  const [values] = dataSets;
  for (let round = 0; round < 2 && values !== undefined; round += 1) {
    const calls = Array.from({ length: together }, (_, call) => {
      const manner = MANNERS[(first + call) % MANNERS.length];
      return runOf(session, shifted(values, round * together + call), manner);
    });
    joined.push(...(await Promise.all(calls)));
  }
  const released = await attempt(async () => ({ value: await session.release() }));
  return { load: { inputNames, outputNames, inputMetadata, outputMetadata }, alone, joined, released };
}

exports.main = main;
