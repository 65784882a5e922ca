/** What the status page shows, as JSON. */
import type { Fleet } from '../fleet/fleet';
import { availableBytes } from '../fleet/invoker';
import type { SimilarityIndex } from '../placement/similarity';

export interface InvokerRow {
  instance: number;
  node: string | undefined;
  flavour: string;
  usable: boolean;
  memoryBytes: number;
  availableBytes: number;
  inFlight: number;
  reportedLoad: number;
  instances: number;
}

export interface ActionRow {
  action: string;
  tensorBytes: number;
  /** Nodes that hold some of its tensors, best first, at most {@link NODES_SHOWN}. */
  nodes: { node: string; theta: number }[];
}

export interface StatusReport {
  inFlight: number;
  waiting: number;
  sizes: SimilarityIndex['sizes'];
  invokers: InvokerRow[];
  /** The most recently learned actions, at most {@link ACTIONS_SHOWN}. */
  actions: ActionRow[];
}

const ACTIONS_SHOWN = 50;
const NODES_SHOWN = 5;

export function statusReport(
  fleet: Fleet,
  similarity: SimilarityIndex,
  load: { inFlight: number; waiting: number },
  nowMs: number,
): StatusReport {
  const invokers = fleet.all().map((invoker) => ({
    instance: invoker.instance,
    node: invoker.node,
    flavour: invoker.flavour,
    usable: fleet.isUsable(invoker, nowMs),
    memoryBytes: invoker.memoryBytes,
    availableBytes: availableBytes(invoker),
    inFlight: invoker.inFlight,
    reportedLoad: invoker.reportedLoad,
    instances: invoker.instances.size,
  }));
  const actions = similarity.actions(ACTIONS_SHOWN).map((action) => ({
    action,
    tensorBytes: similarity.demand(action)?.set.totalBytes ?? 0,
    nodes: similarity.thetas(action, NODES_SHOWN),
  }));
  return { ...load, sizes: similarity.sizes, invokers, actions };
}
