/**
 * A cluster in simulated time: nodes, load balancers, what is between them, and neighbours that nobody invited.
 *
 * Messages take time, statuses come late and some of them lie, neighbours take processors in bursts. The same seed
 * gives the same run.
 */
import { type InvokerStatus, readConfig } from '@tetris/common';
import { FixedKeepAlive, type PoolOptions } from '@tetris/invoker-extension';
import { balancerConfig } from '@tetris/load-balancer';
import { SimulatedBalancer } from './balancer';
import { Draws } from './draws';
import { Events } from './events';
import type { SimulatedFunction } from './functions';
import { hashPolicy } from './hash-policy';
import type { Request } from './instance';
import { SimulatedNode } from './node';
import type { Planner } from './planner';
import { Processors } from './processors';
import { TensorStore } from './tensor-store';

export interface ClusterOptions {
  seed: number;
  nodes: number;
  nodeBytes: number;
  /** Of each node. */
  cores: number;
  balancers: number;
  functions: readonly SimulatedFunction[];
  placement: 'similarity' | 'hash';
  keepAliveMs: number;
  /** Share of the functions that have run before, so that their tensors are known. */
  knownShare: number;
  /** Share of statuses that come up to five seconds late, and of those that are wrong by up to a fifth. */
  lateShare: number;
  lyingShare: number;
  /** Share of the nodes with a neighbour that takes half of the processors in bursts of 1 to 10 s. */
  neighbours: number;
  /** Keys of the load balancer's configuration that differ from the defaults. */
  config?: Record<string, unknown>;
  pool?: Partial<PoolOptions>;
  /** Where functions have objectives: a planner of each node's own. */
  planner?: () => Planner;
}

export interface Refusal {
  atMs: number;
  of: SimulatedFunction;
  reason: string;
  /** Some node had the bytes for one more instance of it. */
  withRoom: boolean;
}

export interface Answer {
  of: SimulatedFunction;
  atMs: number;
  tookMs: number;
}

const POOL: Omit<PoolOptions, 'budgetBytes'> = {
  waitingMax: 1_024,
  waitMaxMs: 120_000,
  patienceMs: 5_000,
  barredMs: 5_000,
  startsMax: 10,
  groupStartsMax: 2,
  pauseGraceMs: 10_000,
};
/** On the way from one process to another, ms: at least, and on average more. */
const NETWORK_MS = { least: 0.5, mean: 2 };
const STATUS_MS = 1_000;
const INVENTORY_MS = 500;
const PING_MS = 2_000;
const TICK_MS = 500;
const PLAN_MS = 1_000;
const LATE_MS_MAX = 5_000;
const LIE_MAX = 0.2;
/** A disk or a peer brings tensors at 1 GB/s. */
const LOAD_BYTES_PER_MS = 1e6;

export class SimulatedCluster {
  readonly events = new Events();
  readonly nodes: SimulatedNode[];
  readonly balancers: SimulatedBalancer[];
  readonly answers: Answer[] = [];
  readonly refusals: Refusal[] = [];
  /** Sum over the nodes, sampled once a second, bytes. */
  readonly usedBytes: number[] = [];
  readonly #options: ClusterOptions;
  readonly #draws: Draws;
  readonly #known = new Map<string, SimulatedFunction['manifest']>();
  /** When the last message to a node is read, by node. */
  readonly #readMs = new Map<number, number>();
  #sent = 0;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#draws = new Draws(options.seed);
    for (const { revision, manifest } of options.functions) {
      if (this.#draws.chance(options.knownShare)) this.#known.set(revision, manifest);
    }
    this.nodes = Array.from({ length: options.nodes }, (_, instance) => this.#node(instance));
    const functions = new Map(options.functions.map((each) => [each.action, each]));
    const policy = options.placement === 'hash' ? hashPolicy(this.nodes, functions) : undefined;
    const config = readConfig(
      balancerConfig,
      {},
      { stockGraceMs: 0, actionsMax: 2 * functions.size, ...options.config },
    );
    this.balancers = Array.from(
      { length: options.balancers },
      (_, index) =>
        new SimulatedBalancer({
          config,
          nodes: options.nodes,
          events: this.events,
          functions,
          random: this.#draws.uniform,
          send: (instance, request) => this.#deliver(index, instance, request),
          refused: (request, reason) => this.#refuse(request.of, reason),
          ...(policy === undefined ? {} : { policy }),
        }),
    );
    for (const balancer of this.balancers) {
      for (const [revision, manifest] of this.#known) balancer.learned(revision, manifest);
    }
    this.nodes.forEach((node, instance) => this.#beat(node, instance));
    for (const balancer of this.balancers)
      this.events.every(1_000, () => balancer.tick(), this.#draws.between(0, 1_000));
    this.events.every(1_000, () => this.#sample());
  }

  /** Requests that are neither answered nor refused. */
  get open(): number {
    return this.#sent - this.answers.length - this.refusals.length;
  }

  get sent(): number {
    return this.#sent;
  }

  get starts(): number {
    return this.nodes.reduce((sum, { starts }) => sum + starts, 0);
  }

  get decisionsUs(): number[] {
    return this.balancers.flatMap(({ decisionsUs }) => decisionsUs);
  }

  /** Of those, the ones that started an instance. */
  get startDecisionsUs(): number[] {
    return this.balancers.flatMap(({ startDecisionsUs }) => startDecisionsUs);
  }

  /** A request of the function comes at this time, by one of the load balancers in turn. */
  request(of: SimulatedFunction, atMs: number): void {
    this.#sent += 1;
    const id = this.#sent.toString(16).padStart(32, '0');
    const balancer = this.balancers[this.#sent % this.balancers.length] as SimulatedBalancer;
    const request = { id, of, startedMs: atMs, ended: () => undefined };
    this.events.at(atMs, () => balancer.accept(request));
  }

  async run(untilMs: number): Promise<void> {
    await this.events.run(untilMs);
  }

  #node(instance: number): SimulatedNode {
    const { cores, nodeBytes, keepAliveMs, pool, neighbours, planner } = this.#options;
    const processors = new Processors(this.events, cores);
    if (this.#draws.chance(neighbours)) this.#disturb(processors, cores / 2);
    const store = new TensorStore((change) => this.#inventory(instance, change));
    return new SimulatedNode({
      instance,
      pool: { ...POOL, budgetBytes: nodeBytes, ...pool },
      keepAlive: new FixedKeepAlive(keepAliveMs),
      world: { events: this.events, processors, draws: this.#draws, loadBytesPerMs: LOAD_BYTES_PER_MS },
      store,
      known: this.#known,
      ...(planner === undefined ? {} : { planner: planner() }),
      onLearned: ({ revision, manifest }) => {
        for (const balancer of this.balancers) {
          this.events.after(this.#networkMs(), () => balancer.learned(revision, manifest));
        }
      },
    });
  }

  /** A neighbour that is at work in bursts of 1 to 10 s, and away for as long. */
  #disturb(processors: Processors, threads: number): void {
    const burst = (busy: boolean): void => {
      processors.neighbour = busy ? threads : 0;
      this.events.after(this.#draws.between(1_000, 10_000), () => burst(!busy));
    };
    this.events.after(this.#draws.between(0, 10_000), () => burst(true));
  }

  /** What a node says of itself from time to time; no two nodes at once. */
  #beat(node: SimulatedNode, instance: number): void {
    const { events } = this;
    const phase = (periodMs: number): number => this.#draws.between(0, periodMs);
    const ping = (): void => {
      for (const balancer of this.balancers) balancer.ping(instance);
    };
    const status = (): void => this.#publish(node.status());
    events.at(0, () => {
      for (const balancer of this.balancers) balancer.status(node.status());
      ping();
    });
    events.every(PING_MS, ping, phase(PING_MS));
    events.every(STATUS_MS, status, phase(STATUS_MS));
    events.every(TICK_MS, () => node.tick(), phase(TICK_MS));
    if (this.#options.planner !== undefined) events.every(PLAN_MS, () => node.plan(), phase(PLAN_MS));
  }

  #publish(status: InvokerStatus): void {
    const { lateShare, lyingShare } = this.#options;
    const told = this.#draws.chance(lyingShare) ? this.#lieOf(status) : status;
    const lateMs = this.#draws.chance(lateShare) ? this.#draws.between(0, LATE_MS_MAX) : 0;
    for (const balancer of this.balancers) {
      this.events.after(lateMs + this.#networkMs(), () => balancer.status(told));
    }
  }

  #lieOf(status: InvokerStatus): InvokerStatus {
    const wrong = (value: number): number => value * this.#draws.between(1 - LIE_MAX, 1 + LIE_MAX);
    return { ...status, memoryUsedBytes: wrong(status.memoryUsedBytes), running: Math.round(wrong(status.running)) };
  }

  #inventory(instance: number, change: Parameters<SimulatedBalancer['inventory']>[1]): void {
    const delayMs = this.#draws.between(0, INVENTORY_MS);
    this.events.after(delayMs, () => {
      for (const balancer of this.balancers) balancer.inventory(`node${instance}`, change);
    });
  }

  /** @returns the request's position in the node's topic */
  #deliver(balancer: number, instance: number, request: Request): number {
    const node = this.nodes[instance] as SimulatedNode;
    const ended = (outcome: 'answered' | 'refused', executionMs: number): void => {
      const { of, startedMs } = request;
      if (outcome === 'refused') this.#refuse(of, 'by the invoker');
      else this.answers.push({ of, atMs: this.events.nowMs, tookMs: this.events.nowMs - startedMs });
      this.events.after(this.#networkMs(), () => this.balancers[balancer]?.acked(request.id, executionMs));
    };
    // A topic is read in order.
    const atMs = Math.max(this.events.nowMs + this.#networkMs(), this.#readMs.get(instance) ?? 0);
    this.#readMs.set(instance, atMs);
    this.events.at(atMs, () => node.take({ ...request, ended }));
    return node.append();
  }

  #refuse(of: SimulatedFunction, reason: string): void {
    const withRoom = this.nodes.some((node) => node.hasBytesFor(of));
    this.refusals.push({ atMs: this.events.nowMs, of, reason, withRoom });
  }

  #sample(): void {
    this.usedBytes.push(this.nodes.reduce((sum, { pool }) => sum + pool.memory.usedBytes, 0));
  }

  #networkMs(): number {
    return NETWORK_MS.least + this.#draws.exponential(NETWORK_MS.mean - NETWORK_MS.least);
  }
}
