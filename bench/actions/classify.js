'use strict';

// An ordinary action: loads a model with onnxruntime-node on its first activation, keeps the session, and classifies.
// Besides the answer, and the last number of each further output, it reports how long loading and each run took, as seen
// from here. Nothing in it knows of sharing.

const http = require('node:http');
const ort = require('onnxruntime-node');

/** Numbers of the first output that are reported: all of what a classifier says. */
const LOGITS_MAX = 1000;

let loading;

async function load(model, threads, extra) {
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1, ...(extra ? { extra } : {}) };
  const start = performance.now();
  const session = await ort.InferenceSession.create(model, options);
  return { session, loadMs: performance.now() - start };
}

/** The same made-up input for the same seed, `[batch, ...shape]`, between -1.7 and 1.7. */
function example(seed, dims) {
  const data = new Float32Array(dims.reduce((product, size) => product * size, 1));
  let state = seed;
  for (let index = 0; index < data.length; index += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    data[index] = (1.7 * state) / 0x80000000;
  }
  return new ort.Tensor('float32', data, dims);
}

/** The same made-up token ids for the same seed, below `vocabulary`. */
function tokens(seed, dims, vocabulary) {
  const numbers = example(seed, dims).data;
  const data = BigInt64Array.from(numbers, (number) =>
    BigInt(Math.floor(Math.abs(number / 1.7) * vocabulary) % vocabulary),
  );
  return new ort.Tensor('int64', data, dims);
}

const KEPT = 2 ** 20;
let kept;

/** What an action has from its earlier steps, such as a decoder's keys and values: there already, not made for this one. */
function earlier(seed, dims) {
  kept ??= example(1, [KEPT]).data;
  const count = dims.reduce((product, size) => product * size, 1);
  const start = (seed * 10_007) % Math.max(1, KEPT - count);
  return new ort.Tensor('float32', kept.slice(start, start + count), dims);
}

/** For a dimension that a model gives no number. */
const OPEN_DIMENSION = 16;
/** Token ids of a model of which no more is known: masks and indices are below it too. */
const VOCABULARY = 2;

/** `[batch, ...shape]` for the one input; without a shape, what the model declares for each. */
function feedsOf({ inputMetadata }, { shape, vocabulary, batch, seed }) {
  const feeds = inputMetadata.map(({ name, type, shape: declared }, index) => {
    const rest = declared.slice(1).map((size) => (typeof size === 'number' ? size : OPEN_DIMENSION));
    const dims = [batch, ...(shape ?? rest)];
    if (vocabulary || type === 'int64') return [name, tokens(seed, dims, vocabulary || VOCABULARY)];
    return [name, index === 0 ? example(seed, dims) : earlier(seed + 1000 * index, dims)];
  });
  return Object.fromEntries(feeds);
}

/** Resolves when the other side answers: several instances are held alive at once this way. */
function waitFor(url, report) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: 'POST', agent: false }, (reply) => reply.resume().on('end', resolve));
    request.on('error', reject).end(JSON.stringify(report));
  });
}

async function main({ model, shape, vocabulary, threads = 1, extra, batch = 1, seed = 1, runs = 1, gate }) {
  loading ??= load(model, threads, extra);
  const { session, loadMs } = await loading;
  const feeds = feedsOf(session, { shape, vocabulary, batch, seed });

  const runMs = [];
  let results;
  for (let run = 0; run < runs; run += 1) {
    const start = performance.now();
    results = await session.run(feeds);
    runMs.push(performance.now() - start);
  }
  const [first, ...others] = session.outputNames.map((name) => results[name].data);
  const logits = Array.from(first.subarray(0, LOGITS_MAX));
  const report = { pid: process.pid, loadMs, runMs, logits, lasts: others.map((data) => data.at(-1)) };
  if (gate) await waitFor(gate, report);
  return report;
}

exports.main = main;
