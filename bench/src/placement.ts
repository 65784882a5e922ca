/**
 * Placement in a simulated cluster: how long a decision takes, and how much memory the cluster needs when instances go
 * where their tensors are, against the function's home by hash and against the least loaded node.
 *
 * The three see the same starts in the same order, on nodes of the same size, and share tensors within a node alike:
 * what differs is only the choice of the node. The load balancer's own fleet, index and placer decide; the inventory
 * reaches them as deltas, as from real nodes.
 */
import { actionKey, type TensorRef } from '@tetris/common';
import { Fleet, homeHash, homeWalk, Placer, SimilarityIndex } from '@tetris/load-balancer';
import { createProgress } from './demo/progress';
import { rounded } from './measure/statistics';
import { type BenchFunction, drawWorkload, type Workload, type WorkloadOptions } from './placement-workload';
import type { Suite } from './suite';

export interface PlacementBenchOptions extends WorkloadOptions {
  invokers: number;
  nodeBytes: number;
  /** Memory of an instance that is its own. */
  privateBytes: number;
  output: NodeJS.WriteStream;
}

export interface PlacementFigures extends Record<string, number> {
  decisionMedianUs: number;
  decisionP99Us: number;
  /** Cluster memory with similarity placement relative to the other two: tensors once per node, plus instances. */
  memoryVsHash: number;
  memoryVsLeastLoaded: number;
}

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

const DEFAULTS: PlacementBenchOptions = {
  invokers: 1_000,
  functions: 10_000,
  tensorsPerFunction: 200,
  backbones: 100,
  instances: 20_000,
  nodeBytes: 16 * GIB,
  privateBytes: 30 * MIB,
  seed: 1,
  output: process.stderr,
};

/** One node's store and instances. */
class Node {
  readonly tensors = new Set<string>();
  usedBytes = 0;

  /** @returns the tensors that were not there */
  start(tensors: readonly TensorRef[], privateBytes: number): TensorRef[] {
    const added = tensors.filter(({ sha256 }) => !this.tensors.has(sha256));
    for (const { sha256, bytes } of added) {
      this.tensors.add(sha256);
      this.usedBytes += bytes;
    }
    this.usedBytes += privateBytes;
    return added;
  }

  missingBytes(tensors: readonly TensorRef[]): number {
    return tensors.reduce((sum, { sha256, bytes }) => sum + (this.tensors.has(sha256) ? 0 : bytes), 0);
  }
}

/** Chooses the node of one more instance. `started` tells it what became of that. */
interface Policy {
  choose(index: number): number;
  started?(node: number, added: readonly TensorRef[]): void;
}

export async function runPlacementBench(overrides: Partial<PlacementBenchOptions> = {}): Promise<PlacementFigures> {
  const options = { ...DEFAULTS, ...overrides };
  const progress = createProgress(4, options.output);
  progress.step(`drawing ${options.functions} functions`);
  const workload = drawWorkload(options);
  progress.step(`similarity: ${options.instances} starts on ${options.invokers} invokers`);
  const decisionsUs = new Float64Array(options.instances);
  const similar = simulate(options, workload, (nodes) => similarityPolicy(options, workload, nodes, decisionsUs));
  progress.step('home by hash');
  const hashed = simulate(options, workload, (nodes) => hashPolicy(options, workload, nodes));
  progress.step('least loaded');
  const spread = simulate(options, workload, (nodes) => leastLoadedPolicy(nodes));
  progress.stop();
  decisionsUs.sort();
  const quantile = (share: number): number => decisionsUs[Math.floor(share * (decisionsUs.length - 1))] ?? NaN;
  return {
    decisionMedianUs: rounded(quantile(0.5)),
    decisionP99Us: rounded(quantile(0.99)),
    decisionMaxUs: rounded(quantile(1)),
    memoryVsHash: rounded(similar.usedBytes / hashed.usedBytes),
    memoryVsLeastLoaded: rounded(similar.usedBytes / spread.usedBytes),
    similarityGib: rounded(similar.usedBytes / GIB, 1),
    hashGib: rounded(hashed.usedBytes / GIB, 1),
    leastLoadedGib: rounded(spread.usedBytes / GIB, 1),
    similarityNodes: similar.nodesUsed,
    hashNodes: hashed.nodesUsed,
    overfull: similar.overfull + hashed.overfull + spread.overfull,
    invokers: options.invokers,
    functions: options.functions,
    instances: options.instances,
    seed: options.seed,
  };
}

interface Outcome {
  usedBytes: number;
  nodesUsed: number;
  /** Nodes over their size: 0, or the comparison is not fair. */
  overfull: number;
}

function simulate(
  { invokers, nodeBytes, privateBytes }: PlacementBenchOptions,
  { functions, starts }: Workload,
  makePolicy: (nodes: Node[]) => Policy,
): Outcome {
  const nodes = Array.from({ length: invokers }, () => new Node());
  const policy = makePolicy(nodes);
  for (const [index, which] of starts.entries()) {
    const chosen = policy.choose(index);
    const added = nodes[chosen]?.start((functions[which] as BenchFunction).tensors, privateBytes) ?? [];
    policy.started?.(chosen, added);
  }
  return {
    usedBytes: nodes.reduce((sum, node) => sum + node.usedBytes, 0),
    nodesUsed: nodes.filter((node) => node.usedBytes > 0).length,
    overfull: nodes.filter((node) => node.usedBytes > nodeBytes).length,
  };
}

function similarityPolicy(
  { invokers, nodeBytes, privateBytes, instances }: PlacementBenchOptions,
  { functions, starts }: Workload,
  nodes: Node[],
  decisionsUs: Float64Array,
): Policy {
  const forever = Number.MAX_SAFE_INTEGER;
  const fleet = new Fleet({
    silenceMs: forever,
    stockGraceMs: forever,
    suspectMs: 0,
    forgetMs: forever,
    invokersMax: invokers,
  });
  const similarity = new SimilarityIndex({ actionsMax: functions.length, nodesMax: invokers });
  const rules = {
    tetrisKinds: ['nodejs:tetris'],
    plainKinds: [],
    queuedShare: 1,
    inFlightMax: instances,
    startMsMax: forever,
    managedFraction: 1,
    blackboxFraction: 1,
  };
  const placer = new Placer(fleet, similarity, rules, () => 0);
  const publish = (instance: number): void => {
    const status = { instance, node: `node${instance}`, atMs: 0, running: 0, waiting: 0, draining: false, warm: [] };
    const memory = { memoryBytes: nodeBytes, memoryUsedBytes: nodes[instance]?.usedBytes ?? 0 };
    const invoker = fleet.status({ ...status, ...memory }, 0);
    if (invoker === undefined) return;
    invoker.nodeIndex = similarity.nodeIndex(status.node);
    // Every instance so far is in the figures above: nothing is set aside any more, and none has room for another.
    placer.instances.forget(invoker);
  };
  for (let instance = 0; instance < invokers; instance += 1) {
    similarity.setInventory(`node${instance}`, []);
    publish(instance);
    const name = { instance, userMemory: '0 B', instanceType: 'invoker' as const, tags: [], dedicatedNamespaces: [] };
    fleet.ping({ name }, 0);
  }
  for (const { name, tensors } of functions) similarity.setManifest(actionKey(name, '1'), { tensors, privateBytes });
  return {
    choose: (index) => {
      const { name } = functions[starts[index] ?? 0] as BenchFunction;
      const [namespace = ''] = name.split('/');
      const request = {
        actionKey: actionKey(name, '1'),
        action: name,
        namespace,
        kind: 'nodejs:tetris',
        memoryBytes: privateBytes,
        concurrency: 1,
      };
      const startMs = performance.now();
      const placement = placer.place(request, 0);
      decisionsUs[index] = (performance.now() - startMs) * 1_000;
      if (!('invoker' in placement)) throw new Error(`no node for instance ${index}: ${placement.outcome}`);
      return placement.invoker.instance;
    },
    started: (node, added) => {
      similarity.changeInventory(`node${node}`, added, []);
      publish(node);
    },
  };
}

/** OpenWhisk's walk from the function's home to the first node with room for what it lacks. */
function hashPolicy({ nodeBytes, privateBytes }: PlacementBenchOptions, workload: Workload, nodes: Node[]): Policy {
  return {
    choose: (index) => {
      const { name, tensors } = workload.functions[workload.starts[index] ?? 0] as BenchFunction;
      const [namespace = ''] = name.split('/');
      for (const candidate of homeWalk(homeHash(namespace, name), nodes.length)) {
        const node = nodes[candidate];
        if (node !== undefined && node.usedBytes + node.missingBytes(tensors) + privateBytes <= nodeBytes) {
          return candidate;
        }
      }
      throw new Error(`no node for instance ${index}`);
    },
  };
}

function leastLoadedPolicy(nodes: Node[]): Policy {
  return {
    choose: () => nodes.reduce((best, node, at) => (node.usedBytes < (nodes[best]?.usedBytes ?? 0) ? at : best), 0),
  };
}

export const suite: Suite = { run: async () => runPlacementBench() };
