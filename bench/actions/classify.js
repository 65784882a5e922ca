'use strict';

// An ordinary action: loads a model with onnxruntime-node on its first activation, keeps the session, and classifies.
// Besides the answer it reports how long loading and each run took, as seen from here. Nothing in it knows of sharing.

const http = require('node:http');
const ort = require('onnxruntime-node');

const options = { intraOpNumThreads: 1, interOpNumThreads: 1 };
let loading;

async function load(model) {
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

/** Resolves when the other side answers: several instances are held alive at once this way. */
function waitFor(url, report) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: 'POST', agent: false }, (reply) => reply.resume().on('end', resolve));
    request.on('error', reject).end(JSON.stringify(report));
  });
}

async function main({ model, shape, vocabulary, batch = 1, seed = 1, runs = 1, gate }) {
  loading ??= load(model);
  const { session, loadMs } = await loading;
  const input = session.inputNames[0];
  const output = session.outputNames[0];
  const dims = [batch, ...shape];
  const feeds = { [input]: vocabulary ? tokens(seed, dims, vocabulary) : example(seed, dims) };

  const runMs = [];
  let logits;
  for (let run = 0; run < runs; run += 1) {
    const start = performance.now();
    const results = await session.run(feeds);
    runMs.push(performance.now() - start);
    logits = Array.from(results[output].data);
  }
  const report = { pid: process.pid, loadMs, runMs, logits };
  if (gate) await waitFor(gate, report);
  return report;
}

exports.main = main;
