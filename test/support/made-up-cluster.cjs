'use strict';
/* A cluster whose invokers are made up, with the real status server in front: for what looks at the operators' page. */
const { createHash } = require('node:crypto');
const { join } = require('node:path');
const { Registry } = require('prom-client');
const { latencyBucket } = require('@tetris/common');
const { Fleet, SimilarityIndex } = require('@tetris/load-balancer');
const dist = (file) => require(join(require.resolve('@tetris/load-balancer'), '../status', file));
const { Figures } = dist('figures.js');
const { History } = dist('history.js');
const { overlapsOf } = dist('overlap.js');
const { statusReport } = dist('report.js');
const { startStatusServer } = dist('server.js');
const { Trail, wayOf } = dist('trail.js');

const GIB = 1024 ** 3;
const ACCESS = { username: 'operator', password: 'secret' };
const digest = (text) => createHash('sha256').update(text).digest('hex');

class MadeUpCluster {
  #nodes;
  #functions;
  #nodesOfEach;
  #silent;
  #now = 0;
  #server;
  #fleet = new Fleet({ silenceMs: 10_000, stockGraceMs: 3_000, suspectMs: 1, forgetMs: 1e9, invokersMax: 1_000 });
  #similarity = new SimilarityIndex({ actionsMax: 20_000, nodesMax: 1_000 });
  #figures = new Figures();
  #history = new History(1_000);
  #trail = new Trail();

  /** @param options.silent nodes that are not heard of for a minute */
  constructor({ nodes, functions, nodesOfEach = Math.min(3, nodes), silent = 0 }) {
    this.#nodes = nodes;
    this.#functions = functions;
    this.#nodesOfEach = nodesOfEach;
    this.#silent = silent;
    for (let index = 0; index < functions; index += 1) this.#similarity.setManifest(actionOf(index), manifestOf(index));
  }

  /** Serves the page. @returns where, and with which key */
  async start() {
    const parts = {
      ...{ fleet: this.#fleet, similarity: this.#similarity, figures: this.#figures },
      ...{ history: this.#history, trail: this.#trail },
    };
    const load = { inFlight: 2 * this.#functions, waiting: this.#silent };
    const setOf = (name) => this.#similarity.demand(this.#similarity.latest(name) ?? '')?.set;
    const source = {
      report: () => statusReport(parts, load, Date.now()),
      usableNodes: () => this.#nodes,
      overlaps: (names) => overlapsOf(names, names.map(setOf)),
      way: async (id) => wayOf(this.#trail.activation(id), recordOf(this.#trail.activation(id))),
    };
    const access = { user: ACCESS.username, password: ACCESS.password };
    this.#server = await startStatusServer({ host: '127.0.0.1', port: 0, metrics: new Registry(), source, access });
    return { url: this.#server.url, access: ACCESS, source };
  }

  async stop() {
    await this.#server?.close();
  }

  /** Every node says how it is, a little different each time. */
  tick(atMs = Date.now()) {
    const now = (this.#now += 1);
    for (let node = 0; node < this.#nodes; node += 1) {
      const heardMs = node < this.#silent ? atMs - 60_000 : atMs;
      const status = {
        ...{ instance: node, node: `node${node}`, atMs: heardMs, memoryBytes: 64 * GIB, memoryUsedBytes: 13 * GIB },
        ...{ running: node % 9, waiting: 0, warm: [], draining: false },
        report: {
          atMs: heardMs,
          windowMs: 60_000,
          memory: memoryOf(node, now),
          functions: this.#functionsOf(node, now),
        },
      };
      this.#fleet.status(status, heardMs);
      this.#fleet.ping({ name: { instance: node, userMemory: '64 GB' }, isEnabled: true }, heardMs);
      this.#figures.observe(status);
    }
    this.#history.add(this.#figures.memory(this.#fleet), atMs);
    if (this.#functions > 0 && this.#nodes > 1) this.#activation(now, atMs);
  }

  /** Minutes of history behind it. */
  live(seconds) {
    for (let second = seconds; second > 0; second -= 1) this.tick(Date.now() - second * 1_000);
  }

  #functionsOf(node, now) {
    const own = Math.ceil((this.#functions / this.#nodes) * this.#nodesOfEach);
    const step = Math.max(1, Math.floor(this.#functions / this.#nodes));
    const indexes = new Set(Array.from({ length: own }, (_, at) => (node * step + at) % this.#functions));
    return [...indexes].map((index) => functionOf(index, now));
  }

  #activation(now, atMs) {
    const name = actionOf(now % this.#functions).split('@')[0];
    const activationId = digest(`activation ${now} ${this.#nodes}`).slice(0, 32);
    const [namespace] = name.split('/');
    const times = { startMs: atMs - 90 - (now % 60), sentMs: atMs - 80, nowMs: atMs };
    const entry = { activationId, action: name, namespace, invoker: now % this.#nodes, transid: ['x', times.startMs] };
    this.#trail.ended({ entry, sentMs: times.sentMs }, atMs);
    const other = (distance) => `node${(now + distance) % this.#nodes}`;
    this.#trail.placed({
      ...{ atMs, activationId, name, namespace, outcome: now % 7 === 0 ? 'hash' : 'similarity', node: other(0) },
      ...{ theta: 0.96, notChosen: [{ node: other(1), theta: 0.9, freeBytes: GIB, why: 'fewer of its tensors' }] },
    });
  }
}

const actionOf = (index) => `team${index % 20}/function-${index}@1-a`;

/** A backbone that some functions share, and a head of its own. */
function manifestOf(index) {
  const backbone = Array.from({ length: 100 }, (_, at) => ({
    sha256: digest(`b${(index % 100) % 7} ${at}`),
    bytes: 1e6,
  }));
  const tensors = [...backbone, { sha256: digest(`h${index}`), bytes: 4e6 * (1 + (index % 5)) }];
  return { tensors, privateBytes: 6e7, models: [] };
}

const memoryOf = (node, now) => ({
  ...{ storeBytes: 9 * GIB, leasedBytes: (5 + (node % 3)) * GIB + now, unsharedBytes: 50 * GIB },
  privateBytes: (5 + (node % 4)) * GIB,
});

function functionOf(index, now) {
  const slow = index % 7 === 3;
  return {
    ...{ action: actionOf(index), namespace: `team${index % 20}`, ...(index % 5 !== 4 && { sloMs: slow ? 150 : 300 }) },
    instances: [
      { state: 'warm', shape: 'p=1 t=1 b=8', count: 1 + (index % 3) },
      ...(index % 4 === 0 ? [{ state: 'busy', shape: 'p=2 t=1 b=4', count: 1 }] : []),
    ],
    ...{
      activations: 1_000 + now,
      coldStarts: 2,
      refusals: index % 50 === 3 ? { 'queue-full': 3, 'no-memory': 1 } : {},
    },
    ...{
      answered: 60 + ((now + index) % 40),
      inTime: slow ? 55 : 60 + ((now + index) % 40),
      batchSum: 240,
      batchCount: 60,
    },
    latency: Array.from({ length: 12 }, (_, at) => [latencyBucket(20 + at * 25), 1 + ((index + now + at) % 7)]),
  };
}

/** What the entity store would say of it. */
function recordOf({ sentMs, ackedMs }) {
  const tetris = { queueMs: 9, runMs: 31, batch: 4, objectiveMet: true };
  return {
    ...{ start: sentMs + 4, end: ackedMs - 3, response: { statusCode: 0 } },
    annotations: [{ key: 'tetris', value: tetris }],
  };
}

module.exports = { MadeUpCluster };
