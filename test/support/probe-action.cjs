'use strict';

// An action that does what its argument says and reports what it saw, errors included. The action runtime runs it as
// user code; called as a program it runs on the real onnxruntime-node, with the argument on standard input. What both
// report must be equal.

const fs = require('node:fs');
const { pathToFileURL } = require('node:url');
const ort = require('onnxruntime-node');

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: typeof Float16Array === 'undefined' ? Uint16Array : Float16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
};

/** {type, dims, data} becomes a tensor; {plain} is passed as it is; {duck} looks like a tensor. */
function valueOf(spec) {
  if (spec === null || 'plain' in spec) return spec === null ? null : spec.plain;
  if ('callable' in spec) return () => 1;
  const { type, dims } = spec.duck ?? spec;
  const given = (spec.duck ?? spec).data;
  const data =
    type === 'string' ? given : ARRAYS[type].from(given, type.endsWith('64') && type[0] !== 'f' ? BigInt : Number);
  return spec.duck ? { type, dims, data } : new ort.Tensor(type, data, dims);
}

const valuesOf = (specs) => Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, valueOf(spec)]));
const shown = ({ type, dims, data }) => ({
  type,
  dims: [...dims],
  data: Array.from(data, String),
  kind: data.constructor.name,
});
const failed = (error) => ({ failed: error.constructor.name, message: error.message, code: error.code });

const MODELS = {
  path: (file) => [file],
  url: (file) => [pathToFileURL(file).href],
  buffer: (file) => [fs.readFileSync(file)],
  array: (file) => [new Uint8Array(fs.readFileSync(file))],
  slice: (file) => {
    const bytes = fs.readFileSync(file);
    const whole = Buffer.concat([Buffer.alloc(5), bytes, Buffer.alloc(3)]);
    return [whole.buffer.slice(whole.byteOffset, whole.byteOffset + whole.length), 5, bytes.length];
  },
};

async function create({ model, as = 'path', options }) {
  const given = model.startsWith('https:') ? [model] : MODELS[as](model);
  return ort.InferenceSession.create(...given, ...(options === undefined ? [] : [options]));
}

async function call(session, { feeds, rest = [], fill }) {
  const fed = feeds !== null && 'notAnObject' in feeds ? feeds.notAnObject : feeds === null ? null : valuesOf(feeds);
  const more = rest.map((item) =>
    item !== null && typeof item === 'object' && 'fetches' in item ? valuesOf(item.fetches) : item,
  );
  const before = JSON.stringify(shownAll(fed));
  const results = await session.run(fed, ...more);
  const report = { results: shownAll(results), feedsIntact: JSON.stringify(shownAll(fed)) === before };
  report.classes = Object.values(results).every((tensor) => tensor instanceof ort.Tensor);
  if (fill !== undefined) {
    report.sameTensor = results[fill] === more[0][fill];
    report.filled = String(results[fill].data) === String(more[0][fill].data);
  }
  return report;
}

function shownAll(tensors) {
  if (typeof tensors !== 'object' || tensors === null) return tensors;
  return Object.fromEntries(
    Object.entries(tensors).map(([name, value]) => [name, value instanceof ort.Tensor ? shown(value) : 'other']),
  );
}

const held = [];

/** One of them, or each of a list. */
async function main(argument) {
  if (argument.each === undefined) return once(argument);
  const reports = [];
  for (const one of argument.each) reports.push(await once(one));
  return { reports };
}

async function once({ model, as, cwd, options, calls = [], keep = false, releases = 1, reuse = false }) {
  if (cwd !== undefined) process.chdir(cwd);
  let session;
  try {
    session = reuse ? held[0] : await create({ model, as, options });
  } catch (error) {
    return { create: failed(error) };
  }
  const { inputNames, outputNames, inputMetadata, outputMetadata } = session;
  const report = { inputNames, outputNames, inputMetadata, outputMetadata, calls: [] };
  for (const item of calls) report.calls.push(await call(session, item).catch(failed));
  if (keep) held.push(session);
  else {
    for (let i = 0; i < releases; i++) await session.release().catch((error) => (report.release = failed(error)));
    if (calls.length > 0) report.afterRelease = await call(session, calls[0]).catch(failed);
  }
  return report;
}

exports.main = main;

if (require.main === module) {
  const { text } = require('node:stream/consumers');
  void text(process.stdin).then(async (input) => process.stdout.write(JSON.stringify(await main(JSON.parse(input)))));
}
