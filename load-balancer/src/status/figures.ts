/** What the invokers have reported for people, put together. Pure, time passed in. */
import { type InvokerStatus, isHealthTestName, type NodeReport } from '@tetris/common';
import type { Fleet } from '../fleet/fleet';
import type { Invoker } from '../fleet/invoker';
import type { SimilarityIndex } from '../placement/similarity';
import { type FunctionRow, FunctionSums } from './function-sums';
import { type MemoryFigures, memoryFigures, totalMemory } from './memory-figures';

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

interface Heard {
  node: string;
  report: NodeReport;
}

export class Figures {
  readonly #heard = new Map<number, Heard>();

  observe({ instance, node, report }: InvokerStatus): void {
    if (report !== undefined) this.#heard.set(instance, { node, report });
  }

  /** Of the whole cluster. */
  memory(fleet: Fleet): MemoryFigures {
    return totalMemory([...byNode(fleet).values()].map((invokers) => this.#memoryOf(invokers)));
  }

  /** One row a node, by name; invokers of one node share its store. */
  nodes(fleet: Fleet, nowMs: number): NodeRow[] {
    return [...byNode(fleet)]
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
    const rows = new Map<string, FunctionSums>();
    for (const { instance, online } of fleet.all()) {
      const heard = this.#heard.get(instance);
      if (!online || heard === undefined) continue;
      const { windowMs, functions } = heard.report;
      for (const report of functions) {
        const [name, revision] = splitKey(report.action);
        if (isHealthTestName(name)) continue;
        const key = `${report.namespace} ${name}`;
        const known = rows.get(key) ?? new FunctionSums(name, report.namespace);
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

/** The invokers of each node; of those that have not said where they are, each is a node. */
function byNode(fleet: Fleet): Map<string, Invoker[]> {
  const nodes = new Map<string, Invoker[]>();
  for (const invoker of fleet.all()) {
    const name = invoker.node ?? `invoker${invoker.instance}`;
    nodes.set(name, [...(nodes.get(name) ?? []), invoker]);
  }
  return nodes;
}

/** The name and the revision of an action key. */
function splitKey(key: string): [name: string, revision: string] {
  const at = key.lastIndexOf('@');
  return [key.slice(0, at), key.slice(at + 1)];
}

const sum = <T>(rows: readonly T[], figure: (row: T) => number): number =>
  rows.reduce((total, row) => total + figure(row), 0);

/** `node10` comes after `node9`. One for all comparisons: a collator is dear to make. */
const { compare } = new Intl.Collator('en', { numeric: true });
