'use strict';

// A function instance in small: leases a model, loads it from its view, and does what it is told, a line a command.
// Arguments: instance socket, views folder, lease request as JSON, feeds as JSON. Each reply is a line of JSON.
//   lease    leases anew; {view, warm}       run      the outputs
//   maps     files of the views folder that it has mapped, deleted ones included
//   release  releases the session and the lease

const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { createInterface } = require('node:readline');
const { DaemonClient } = require('@tetris/common/daemon');
const ort = require('onnxruntime-node');

const [socket, views, request, plainFeeds] = process.argv.slice(2);
const client = new DaemonClient(socket);
const ARRAYS = { float32: (data) => Float32Array.from(data), int64: (data) => BigInt64Array.from(data.map(BigInt)) };
const feeds = Object.fromEntries(
  JSON.parse(plainFeeds).map(({ name, type, dims, data }) => [name, new ort.Tensor(type, ARRAYS[type](data), dims)]),
);
let lease;
let session;

const commands = {
  async lease() {
    lease = await client.lease(JSON.parse(request));
    session ??= await ort.InferenceSession.create(join(views, lease.view), { graphOptimizationLevel: 'disabled' });
    return { view: lease.view, warm: lease.warm };
  },
  async run() {
    const results = await session.run(feeds);
    return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Array.from(data, Number)]));
  },
  async maps() {
    const mapped = readFileSync('/proc/self/maps', 'utf8').match(/[0-9a-f]{64}(?= \(deleted\)$|$)/gm) ?? [];
    return [...new Set(mapped)];
  },
  async release() {
    await session.release();
    session = undefined;
    lease.release();
    return {};
  },
};

createInterface({ input: process.stdin })
  .on('line', (line) => {
    commands[line]().then(
      (result) => process.stdout.write(`${JSON.stringify({ result })}\n`),
      (error) => process.stdout.write(`${JSON.stringify({ error: String(error.message) })}\n`),
    );
  })
  .on('close', () => process.exit(0));
