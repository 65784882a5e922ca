'use strict';

// Runs a model once in a process of its own: onnxruntime-node refuses the typed arrays of jest's realm.
// Arguments: model path, graph optimization level. Standard input: [{name, type, dims, data}]. Output: {<name>: {dims, data}}.

const { json } = require('node:stream/consumers');
const ort = require('onnxruntime-node');

const ARRAYS = { float32: (data) => Float32Array.from(data), int64: (data) => BigInt64Array.from(data.map(BigInt)) };

async function main() {
  const feeds = await json(process.stdin);
  const session = await ort.InferenceSession.create(process.argv[2], { graphOptimizationLevel: process.argv[3] });
  const tensors = feeds.map(({ name, type, dims, data }) => [name, new ort.Tensor(type, ARRAYS[type](data), dims)]);
  const results = await session.run(Object.fromEntries(tensors));
  const plain = Object.entries(results).map(([name, { dims, data }]) => [name, { dims, data: Array.from(data) }]);
  process.stdout.write(JSON.stringify(Object.fromEntries(plain)));
}

void main();
