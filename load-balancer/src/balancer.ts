/** The load balancer as one object: wires front end, fleet, placement and dispatch. The caller brings the adapters. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry as MetricsRegistry } from 'prom-client';
import {
  actionKey,
  type Bus,
  type EntityStore,
  type Logger,
  type Registry,
  TOPIC_SETTINGS,
  topicPrefixOf,
  Topics,
  NO_TRACER,
  type Tracer,
} from '@tetris/common';
import { ActionCatalog } from './actions';
import type { BalancerConfig } from './config';
import { AckFeed } from './dispatch/ack-feed';
import { Dispatcher, type Placed } from './dispatch/dispatcher';
import { lostActivations } from './dispatch/losses';
import { Fleet } from './fleet/fleet';
import { availableBytes } from './fleet/invoker';
import { watchFleet } from './fleet/watch';
import type { FpcAdapters } from './fpc/options';
import type { Arrival, FleetState, FrontEnd } from './front-end';
import { makeFrontEnd } from './front-ends';
import { Journal } from './in-flight/journal';
import { InFlightTable, type Tracked } from './in-flight/table';
import { type BalancerMetrics, balancerMetrics } from './metrics';
import { Placer } from './placement/placement';
import { SimilarityIndex } from './placement/similarity';
import { Figures } from './status/figures';
import { alternativesTo } from './status/alternatives';
import { History } from './status/history';
import { type Overlaps, overlapsOf } from './status/overlap';
import { type ActivationWay, Trail, wayOf } from './status/trail';
import { type StatusReport, statusReport } from './status/report';
import { type StatusServer, startStatusServer } from './status/server';
import { ControllerAnswers } from './relay/answers';
import { readArrival } from './relay/arrival';

export interface LoadBalancerOptions {
  /** Where the controllers are, topics with prefix P. Closed by the caller, like everything here. */
  controllerBus: Bus;
  /** Where the invokers are, topics with prefix Q; may be the same. */
  invokerBus: Bus;
  entities: EntityStore;
  registry: Registry;
  config: BalancerConfig;
  /** Needed where `config.frontEnds` has `fpc`. */
  fpc?: FpcAdapters;
  log: Logger;
  /** Epoch ms. @default Date.now */
  now?: () => number;
  /** In [0, 1). @default Math.random */
  random?: () => number;
  metrics?: MetricsRegistry;
  /** Ended by whoever made it. @default nobody is told */
  tracer?: Tracer;
}

const TICK_MS = 1_000;
const THETAS_MAX = 64;
const DRAIN_POLL_MS = 20;

export class LoadBalancer {
  readonly config: BalancerConfig;
  readonly metrics: MetricsRegistry;
  readonly fleet: Fleet;
  readonly similarity: SimilarityIndex;
  readonly #figures = new Figures();
  readonly #history = new History(TICK_MS);
  readonly #trail = new Trail();
  readonly #now: () => number;
  readonly #log: Logger;
  readonly #options: LoadBalancerOptions;
  readonly #owner: string;
  readonly #measures: BalancerMetrics;
  #status: StatusServer | undefined;
  readonly #table = new InFlightTable();
  readonly #journal: Journal;
  readonly #placer: Placer;
  readonly #frontEnd: FrontEnd;
  readonly #acks: AckFeed;
  readonly #dispatcher: Dispatcher;
  #unwatch: (() => Promise<void>) | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Epoch ms of the last tick, and of the last moment at which the bus was seen to work. */
  #lastTickMs: number;
  #heardMs: number;
  #excusedUntilMs = 0;
  #announcing = false;

  constructor(options: LoadBalancerOptions) {
    const { config, log, controllerBus, invokerBus, registry, entities } = options;
    const now = options.now ?? Date.now;
    this.#options = options;
    this.config = config;
    this.#log = log;
    this.#now = now;
    this.#lastTickMs = this.#heardMs = now();
    this.#owner = `balancer${config.firstVirtualInvoker}`;
    this.metrics = options.metrics ?? new MetricsRegistry();
    this.#measures = balancerMetrics(this.metrics);
    const metrics = this.#measures;
    this.fleet = new Fleet(config);
    this.similarity = new SimilarityIndex({ actionsMax: config.actionsMax, nodesMax: config.invokersMax });
    const rules = { ...config, inFlightMax: config.invokerInFlightMax };
    this.#placer = new Placer(this.fleet, this.similarity, rules, options.random ?? Math.random);
    const { registryWaitMsMax: waitMsMax, messageBytesMax } = config;
    this.#journal = new Journal(registry, { owner: this.#owner, waitMsMax }, log);
    const controllerSide = {
      bus: controllerBus,
      topics: new Topics(topicPrefixOf(config.controllerPrefix)),
      metrics,
      log,
      now,
    };
    this.#frontEnd = makeFrontEnd(controllerSide, config, options.fpc);
    const invokerSide = { bus: invokerBus, topics: new Topics(topicPrefixOf(config.invokerPrefix)), metrics, log, now };
    this.#acks = new AckFeed(
      invokerSide,
      {
        owner: this.#owner,
        capacity: config.ackCapacity,
        controllersMax: config.controllersMax,
        settings: { ...TOPIC_SETTINGS.completed, messageBytesMax },
      },
      async (ack) => this.#dispatcher.acked(ack),
    );
    this.#dispatcher = new Dispatcher(
      {
        ...invokerSide,
        tracer: options.tracer ?? NO_TRACER,
        catalog: new ActionCatalog(entities, config, log),
        fleet: this.fleet,
        placer: this.#placer,
        table: this.#table,
        journal: this.#journal,
        answers: new ControllerAnswers(controllerSide, { userMemoryBytes: config.userMemory, name: config.name }),
        listenTo: async (controller) => this.#acks.listenTo(controller),
        store: (activation) => entities.putActivation(activation),
        onPlaced: (arrival, placement) => this.#notePlacement(arrival, placement),
        onEnded: (tracked) => this.#trail.ended(tracked, now()),
      },
      { ...config, memoryDefaultBytes: config.memoryDefault },
    );
  }

  /** Activations handed on and not finished, and waiting for an invoker. */
  get load(): { inFlight: number; waiting: number } {
    return { inFlight: this.#table.size, waiting: this.#dispatcher.waiting };
  }

  /**
   * Whether one more activation of an action would only make another one late. What is refused before it is sent costs
   * next to nothing: who takes requests asks, where it can (decision 0028).
   * @param namespace the invoking one
   * @param action `namespace[/package]/name`
   */
  isSurplus(namespace: string, action: string): boolean {
    return this.#dispatcher.isSurplus({ namespace, action });
  }

  /** Where the status page is, undefined while it is off. */
  get statusUrl(): string | undefined {
    return this.#status?.url;
  }

  report(): StatusReport {
    const { fleet, similarity } = this;
    const sources = { fleet, similarity, figures: this.#figures, history: this.#history, trail: this.#trail };
    return statusReport(sources, this.load, this.#now());
  }

  /** Nodes that activations can be sent to. */
  usableNodes(): number {
    return new Set(this.fleet.usable('any', this.#now()).map(({ node, instance }) => node ?? instance)).size;
  }

  /** How much of their tensors functions have in common, those of their latest revisions. */
  overlaps(names: readonly string[]): Overlaps {
    const sets = names.map((name) => this.similarity.demand(this.similarity.latest(name) ?? '')?.set);
    return overlapsOf(names, sets);
  }

  /** One activation's way in times, as far as they are known; undefined where it is long ago. */
  async way(activationId: string): Promise<ActivationWay | undefined> {
    const note = this.#trail.activation(activationId);
    if (note === undefined) return undefined;
    const { entities } = this.#options;
    const record = await entities.getActivation(`${note.namespace}/${activationId}`).catch(() => undefined);
    return wayOf(note, record);
  }

  /** The nodes that hold tensors of an action's latest revision, as far as it is known: the largest share first. */
  thetas(name: string): { node: string; theta: number }[] {
    const action = this.similarity.latest(name);
    return action === undefined ? [] : this.similarity.thetas(action, THETAS_MAX);
  }

  /** Recovers what the last run left, then takes acks, then hears the invokers, and only then the controllers. */
  async start(): Promise<void> {
    const { invokerBus, registry } = this.#options;
    const { config } = this;
    const waited = await this.#recover();
    await Promise.all(config.controllers.map(async (controller) => this.#acks.listenTo(controller)));
    this.#unwatch = await watchFleet(
      {
        bus: invokerBus,
        topics: new Topics(topicPrefixOf(config.invokerPrefix)),
        registry,
        fleet: this.fleet,
        instances: this.#placer.instances,
        similarity: this.similarity,
        observe: (status) => this.#figures.observe(status),
        metrics: this.#measures,
        log: this.#log,
        now: this.#now,
      },
      this.#owner,
    );
    await this.#frontEnd.start(async (arrival) => this.#dispatcher.accept(arrival));
    for (const arrival of waited) void this.#dispatcher.accept(arrival);
    this.#timer = setInterval(() => void this.tick(), TICK_MS);
    const { statusHost: host, statusPort: port } = config;
    if (port > 0) {
      const { statusUser: user, statusPassword: password, profileUrl } = config;
      this.#status = await startStatusServer({
        ...{ host, port, metrics: this.metrics, source: this },
        access: user === '' ? undefined : { user, password },
        profileUrl: profileUrl === '' ? undefined : profileUrl,
      });
    }
    await this.tick();
    this.#log.info({ owner: this.#owner }, 'load balancer started');
  }

  /** One second's work: pings, deadlines, lost invokers. Never rejects. */
  async tick(): Promise<void> {
    const nowMs = this.#now();
    this.#excuseSilence(nowMs);
    await this.#giveUpLost(nowMs);
    this.#dispatcher.tick(nowMs);
    this.#count(nowMs);
    this.#history.add(this.#figures.memory(this.fleet), nowMs);
    if (this.#announcing) return;
    this.#announcing = true;
    try {
      await this.#frontEnd.announce(this.#fleetState(nowMs));
      this.#heardMs = this.#now();
    } catch (error) {
      this.#log.warn({ err: error }, 'ping failed');
    } finally {
      this.#announcing = false;
    }
  }

  /**
   * Drains: takes no more, waits for what is in flight for at most `drainMsMax`, then stops. What is left stays in
   * the registry for the next run.
   */
  async stop(): Promise<void> {
    const untilMs = performance.now() + this.config.drainMsMax;
    const closing = this.#frontEnd.close();
    await this.#settled(untilMs);
    this.#dispatcher.giveUpWaiting();
    await closing;
    // What was taken just before the doors closed has been handed on meanwhile, and its acks are still to be passed on.
    await this.#settled(untilMs);
    clearInterval(this.#timer);
    await this.#acks.close();
    await this.#unwatch?.();
    await this.#status?.close();
    if (this.#table.size > 0) this.#log.warn({ inFlight: this.#table.size }, 'stopped with activations in flight');
  }

  /** Resolves when nothing is being handed on or in flight, or the time is over. */
  async #settled(untilMs: number): Promise<void> {
    const open = (): boolean => this.#dispatcher.handingOn > 0 || this.#table.size > 0;
    while (open() && performance.now() < untilMs) await sleep(DRAIN_POLL_MS);
  }

  #fleetState(nowMs: number): FleetState {
    const usable = this.fleet.usable('any', nowMs);
    const freeBytes = usable.reduce((sum, invoker) => sum + availableBytes(invoker), 0);
    return { usable: usable.length > 0, freeBytes };
  }

  /** While our own pings do not get through, and until consumers have found back, nobody's silence means anything. */
  #excuseSilence(nowMs: number): void {
    const { silenceMs } = this.config;
    if (nowMs - this.#heardMs > silenceMs / 2) this.#excusedUntilMs = nowMs + 3 * silenceMs;
    if (nowMs < this.#excusedUntilMs) this.fleet.excuse(nowMs - this.#lastTickMs);
    this.#lastTickMs = nowMs;
  }

  /** @returns what had waited, to be handed on again */
  async #recover(): Promise<Arrival[]> {
    const nowMs = this.#now();
    const entries = await this.#journal.recover();
    const waited: Arrival[] = [];
    for (const entry of entries) {
      const { activationId, deadlineMs, message, virtualInvoker } = entry;
      if (deadlineMs <= nowMs) this.#journal.erase(activationId);
      else if (message !== undefined) waited.push(readArrival(Buffer.from(message), virtualInvoker));
      else this.#table.add({ ...recoveredAt(nowMs), entry });
    }
    const controllers = new Set(entries.map((entry) => entry.controller));
    await Promise.all([...controllers].map(async (controller) => this.#acks.listenTo(controller)));
    if (entries.length > 0) {
      const recovered = { handedOn: this.#table.size, waited: waited.length };
      this.#log.info(recovered, 'took over activations of the last run');
    }
    return waited;
  }

  async #giveUpLost(nowMs: number): Promise<void> {
    const gone = this.fleet.tick(nowMs);
    for (const { instance } of gone) {
      this.#log.warn({ invoker: instance }, 'invoker is silent: its activations are answered with an error');
    }
    const lost = lostActivations(this.#table, this.fleet, this.config, nowMs);
    await Promise.all(lost.map(async ({ activationId, reason }) => this.#dispatcher.lose(activationId, reason)));
    for (const invoker of gone) {
      this.#placer.instances.forget(invoker);
      this.similarity.forgetInvoker(invoker.instance);
    }
    for (const node of this.fleet.forget(nowMs)) this.similarity.dropNode(node);
    this.#figures.forget(this.fleet);
  }

  /** Where an instance is at work there was nothing to choose. */
  #notePlacement(arrival: Arrival, { outcome, invoker, theta }: Placed): void {
    if (outcome === 'warm') return;
    const { activationId, action: name, namespace, revision } = arrival;
    const nowMs = this.#now();
    const demand = this.similarity.demand(actionKey(name, revision));
    const { flavour, node = `invoker${invoker.instance}` } = invoker;
    const others = flavour === 'unknown' ? [] : this.fleet.usable(flavour, nowMs);
    const notChosen = alternativesTo({ invoker, theta }, others, demand, this.config.invokerInFlightMax);
    this.#trail.placed({ atMs: nowMs, activationId, name, namespace, outcome, node, theta, notChosen });
  }

  #count(nowMs: number): void {
    this.#measures.invokers.reset();
    for (const invoker of this.fleet.all()) {
      const usable = String(this.fleet.isUsable(invoker, nowMs));
      this.#measures.invokers.inc({ flavour: invoker.flavour, usable });
    }
  }
}

const recoveredAt = (nowMs: number): Omit<Tracked, 'entry'> => ({
  release: () => undefined,
  sentMs: nowMs,
  recovered: true,
  resultPassed: false,
  slotFreed: false,
});
