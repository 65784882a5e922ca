/** What the invokers have reported for people, put together. Pure, time passed in. */
import {
  actionKey,
  type FunctionReport,
  type InvokerStatus,
  isHealthTestName,
  latencyPercentile,
  type NodeMemory,
  type NodeReport,
} from '@tetris/common';
import type { Fleet } from '../fleet/fleet';
import type { Invoker } from '../fleet/invoker';
import type { SimilarityIndex } from '../placement/similarity';

/** Memory of one node, or of several added up; `free` is what is left of `budget`. Bytes. */
export interface MemoryFigures {
  budgetBytes: number;
  /** Tensors in the store that nobody leases: they leave when their room is wanted. */
  keptBytes: number;
  leasedBytes: number;
  privateBytes: number;
  freeBytes: number;
  /** What the instances would take if each had its own copy of its tensors. */
  unsharedBytes: number;
}

export interface NodeRow {
  /** Its name, or `invoker<N>` where nothing was heard from it but pings. */
  node: string;
  invokers: number[];
  flavour: string;
  usable: boolean;
  /** Undefined of a stock invoker, or while nothing was reported. */
  memory: MemoryFigures | undefined;
  inFlight: number;
  /** Activations running and waiting there. */
  load: number;
  instances: number;
}

/** An action as one namespace invokes it, over all nodes and revisions. */
export interface FunctionRow {
  /** `guest/vision/classify` */
  name: string;
  /** The one heard of last. */
  revision: string;
  namespace: string;
  sloMs: number | undefined;
  /** Activations answered in a second, lately. */
  rate: number;
  /** By state, and by shape. */
  states: Record<string, number>;
  shapes: Record<string, number>;
  batch: number | undefined;
  /** 0..1, lately; undefined without an objective or an answer. */
  inTime: number | undefined;
  p50Ms: number | undefined;
  p99Ms: number | undefined;
  activations: number;
  coldStarts: number;
  refusals: Record<string, number>;
  /** Of its tensors, each once; undefined while they are not known. */
  tensorBytes: number | undefined;
  /** SHA-256 of the models that it loads, as they came. */
  models: readonly string[];
}

interface Heard {
  node: string;
  report: NodeReport;
}

export class Figures {
  readonly #heard = new Map<number, Heard>();

  observe({ instance, node, report }: InvokerStatus): void {
    if (report !== undefined) this.#heard.set(instance, { node, report });
  }

  /** One row a node, by name; invokers of one node share its store. */
  nodes(fleet: Fleet, nowMs: number): NodeRow[] {
    const rows = new Map<string, Invoker[]>();
    for (const invoker of fleet.all()) {
      const name = invoker.node ?? `invoker${invoker.instance}`;
      rows.set(name, [...(rows.get(name) ?? []), invoker]);
    }
    return [...rows]
      .map(([node, invokers]) => ({
        node,
        invokers: invokers.map(({ instance }) => instance),
        flavour: invokers[0]?.flavour ?? 'unknown',
        usable: invokers.some((invoker) => fleet.isUsable(invoker, nowMs)),
        memory: this.#memoryOf(invokers),
        inFlight: sum(invokers, ({ inFlight }) => inFlight),
        load: sum(invokers, ({ reportedLoad }) => reportedLoad),
        instances: sum(invokers, ({ online, instance }) => (online ? this.#instancesOf(instance) : 0)),
      }))
      .sort((one, other) => compare(one.node, other.node));
  }

  /** By name; of invokers that are online. */
  functions(fleet: Fleet, similarity: Pick<SimilarityIndex, 'demand'>): FunctionRow[] {
    const rows = new Map<string, Sums>();
    for (const { instance, online } of fleet.all()) {
      const heard = this.#heard.get(instance);
      if (!online || heard === undefined) continue;
      const { windowMs, functions } = heard.report;
      for (const report of functions) {
        const [name, revision] = splitKey(report.action);
        if (isHealthTestName(name)) continue;
        const key = `${report.namespace} ${name}`;
        const known = rows.get(key) ?? new Sums(name, report.namespace);
        rows.set(key, known);
        known.add(revision, report, windowMs);
      }
    }
    return [...rows.values()].map((sums) => sums.row(similarity)).sort((one, other) => compare(one.name, other.name));
  }

  /** What the fleet has forgotten is forgotten here too. */
  forget(fleet: Fleet): void {
    for (const instance of this.#heard.keys()) if (fleet.get(instance) === undefined) this.#heard.delete(instance);
  }

  #memoryOf(invokers: readonly Invoker[]): MemoryFigures | undefined {
    const heard = invokers.filter(({ online }) => online).flatMap(({ instance }) => this.#heard.get(instance) ?? []);
    const [first] = heard;
    if (first === undefined) return undefined;
    const budgetBytes = sum(invokers, ({ memoryBytes }) => memoryBytes);
    // The invokers of a node look at one store; the newest look holds.
    const { memory } = heard.reduce((one, other) => (other.report.atMs > one.report.atMs ? other : one), first).report;
    const privateBytes = sum(heard, ({ report }) => report.memory.privateBytes);
    return memoryFigures(budgetBytes, { ...memory, privateBytes });
  }

  #instancesOf(instance: number): number {
    const functions = this.#heard.get(instance)?.report.functions ?? [];
    const users = functions.filter(({ action }) => !isHealthTestName(action));
    return sum(users, ({ instances }) => sum(instances, ({ count }) => count));
  }
}

function memoryFigures(budgetBytes: number, memory: NodeMemory): MemoryFigures {
  const { storeBytes, leasedBytes, unsharedBytes, privateBytes } = memory;
  const keptBytes = Math.max(0, storeBytes - leasedBytes);
  const freeBytes = Math.max(0, budgetBytes - keptBytes - leasedBytes - privateBytes);
  return { budgetBytes, keptBytes, leasedBytes, privateBytes, freeBytes, unsharedBytes: unsharedBytes + privateBytes };
}

/** The whole cluster. */
export function totalMemory(nodes: readonly NodeRow[]): MemoryFigures {
  const known = nodes.flatMap(({ memory }) => memory ?? []);
  const total = (figure: keyof MemoryFigures): number => sum(known, (memory) => memory[figure]);
  return {
    budgetBytes: total('budgetBytes'),
    keptBytes: total('keptBytes'),
    leasedBytes: total('leasedBytes'),
    privateBytes: total('privateBytes'),
    freeBytes: total('freeBytes'),
    unsharedBytes: total('unsharedBytes'),
  };
}

/** The reports of one function from several nodes, added up. */
class Sums {
  readonly #name: string;
  #revision = '';
  readonly #namespace: string;
  #sloMs: number | undefined;
  #rate = 0;
  #inTime = 0;
  #answered = 0;
  #batchSum = 0;
  #batchCount = 0;
  #activations = 0;
  #coldStarts = 0;
  readonly #refusals: Record<string, number> = {};
  readonly #states: Record<string, number> = {};
  readonly #shapes: Record<string, number> = {};
  readonly #latency = new Map<number, number>();

  constructor(name: string, namespace: string) {
    this.#name = name;
    this.#namespace = namespace;
  }

  add(revision: string, report: FunctionReport, windowMs: number): void {
    this.#revision = revision;
    this.#sloMs = report.sloMs ?? this.#sloMs;
    this.#rate += (1000 * report.answered) / windowMs;
    this.#answered += report.answered;
    this.#inTime += report.inTime;
    this.#batchSum += report.batchSum;
    this.#batchCount += report.batchCount;
    this.#activations += report.activations;
    this.#coldStarts += report.coldStarts;
    for (const [reason, count] of Object.entries(report.refusals)) addTo(this.#refusals, reason, count);
    for (const { state, shape, count } of report.instances) {
      addTo(this.#states, state, count);
      addTo(this.#shapes, shape, count);
    }
    for (const [bucket, count] of report.latency) this.#latency.set(bucket, (this.#latency.get(bucket) ?? 0) + count);
  }

  row(similarity: Pick<SimilarityIndex, 'demand'>): FunctionRow {
    const demand = similarity.demand(actionKey(this.#name, this.#revision));
    return {
      name: this.#name,
      revision: this.#revision,
      namespace: this.#namespace,
      sloMs: this.#sloMs,
      rate: this.#rate,
      states: this.#states,
      shapes: this.#shapes,
      batch: this.#batchCount === 0 ? undefined : this.#batchSum / this.#batchCount,
      inTime: this.#sloMs === undefined || this.#answered === 0 ? undefined : this.#inTime / this.#answered,
      p50Ms: latencyPercentile(this.#latency, 0.5),
      p99Ms: latencyPercentile(this.#latency, 0.99),
      activations: this.#activations,
      coldStarts: this.#coldStarts,
      refusals: this.#refusals,
      tensorBytes: demand?.set.totalBytes,
      models: demand?.models ?? [],
    };
  }
}

/** The name and the revision of an action key. */
function splitKey(key: string): [name: string, revision: string] {
  const at = key.lastIndexOf('@');
  return [key.slice(0, at), key.slice(at + 1)];
}

const addTo = (counts: Record<string, number>, name: string, count: number): void => {
  counts[name] = (counts[name] ?? 0) + count;
};

const sum = <T>(rows: readonly T[], figure: (row: T) => number): number =>
  rows.reduce((total, row) => total + figure(row), 0);

const compare = (one: string, other: string): number => one.localeCompare(other, 'en', { numeric: true });
