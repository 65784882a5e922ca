/** The benchmark suites by name. A new one is a module that exports `suite`, and a line in {@link SUITES}. */

import type { Suite } from './suite';

export interface SuiteEntry {
  description: string;
  /** Loaded when it is asked for, so that no suite pays for another's libraries. */
  load: () => Promise<Suite>;
}

export const SUITES: Readonly<Record<string, SuiteEntry>> = {
  sharing: {
    description: 'runtime sharing under an objective: one request an instance, batching, concurrency, and both',
    load: async () => (await import('./sharing/sharing.js')).suite,
  },
  overload: {
    description: 'goodput at up to three times capacity, with and without a neighbour on the processors; recovery',
    load: async () => (await import('./overload/overload.js')).suite,
  },
  runtime: {
    description: 'the action runtime alone: batching, two-phase load, overhead of a request',
    load: async () => (await import('./runtime/runtime.js')).suite,
  },
  instances: {
    description: 'function instances: memory of the next and of idle ones, wake-up, run time over plain onnxruntime',
    load: async () => (await import('./instances/instances.js')).suite,
  },
  simulation: {
    description: 'a cluster in simulated time: refusals, memory against hash, decision time, a noisy neighbour',
    load: async () => (await import('./simulation/simulation.js')).suite,
  },
  relay: {
    description: "the load balancer's own latency and throughput on a real Kafka broker with a no-op invoker",
    load: async () => (await import('./relay.js')).suite,
  },
  store: {
    description:
      'the tensor store alone: leases, ingest, memory and restart, reclaim, return from disk and from a peer',
    load: async () => (await import('./store/store.js')).suite,
  },
  memory: {
    description: 'the models of the paper: memory of 1 to 30 instances, against plain processes and mapped files',
    load: async () => (await import('./evaluation/memory.js')).suite,
  },
  density: {
    description: 'instances that fit under a memory cap, and functions that answer in time under a small one',
    load: async () => (await import('./evaluation/density.js')).suite,
  },
  latency: {
    description: 'the models of the paper: run time in an instance over that in a plain process, by batch size',
    load: async () => (await import('./evaluation/latency.js')).suite,
  },
  startup: {
    description:
      'from the wish for an instance to its first answer, stage by stage: plain, cold, warm, from a stem cell',
    load: async () => (await import('./startup/startup.js')).suite,
  },
  replay: {
    description:
      'four applications under stable, periodic and bursty arrivals through the whole platform, in five modes',
    load: async () => (await import('./replay/replay.js')).suite,
  },
  peers: {
    description: 'the same functions in other servers: memory, cold start, largest rate in time',
    load: async () => (await import('./peers/peers.js')).suite,
  },
  scaling: {
    description: "cost of plans over the exact optimum: the product's, the paper's rule, one shape a function",
    load: async () => (await import('./scaling/scaling.js')).suite,
  },
};

/** @throws RangeError that lists the suites there are */
export function findSuite(name: string): SuiteEntry {
  const entry = Object.hasOwn(SUITES, name) ? SUITES[name] : undefined;
  if (entry === undefined) {
    throw new RangeError(`no suite named '${name}'; there are: ${Object.keys(SUITES).join(', ')}`);
  }
  return entry;
}
