import {
  type Bus,
  type DaemonOperator,
  type EntityStore,
  FolderDocuments,
  type InvokerStatus,
  type Logger,
  type MemoryLedger,
  type Registry,
  type Subscription,
  topicPrefixOf,
  Topics,
  NO_TRACER,
  type Tracer,
  within,
} from '@tetris/common';
import { Registry as MetricsRegistry } from 'prom-client';
import { AckSender } from './messages/acks';
import { Answerer } from './messages/answer';
import { type Blacklist, NameBlacklist } from './messages/blacklist';
import { ActivationFeed } from './messages/activation-feed';
import { revisionKey } from './messages/job';
import { Runner } from './instances/runner';
import type { InvokerConfig } from './config';
import type { ContainerFactory } from './sandboxes/container';
import { InstanceManager, type Ticket } from './instances/instance-manager';
import { GrowthWatch } from './instances/growth';
import { Manifests } from './instances/manifests';
import { Pool } from './instances/pool';
import { Registrar } from './instances/registrar';
import { Sampler } from './instances/sampler';
import { StemCellKeeper } from './instances/stem-cell-keeper';
import { parseStemCells } from './instances/stem-cells';
import { Heartbeat } from './messages/heartbeat';
import { InventoryPublisher } from './inventory';
import { PeerDirectory } from './peer-directory';
import { type InvokerMetrics, invokerMetrics } from './metrics';
import { nodeMetrics } from './node-metrics';
import { ProfileArchive } from './profiles/archive';
import { Autoscaler } from './instances/autoscaler';
import { keepAliveOf } from './scaling/keep-alive-policy';
import { Scaler } from './scaling/scaler';
import { scalerOptions } from './scaling/scaling-config';
import { Reporter } from './report/reporter';
import { boundsOf, containerEnvironment, instanceIdOf, parameterKeyOf, poolOptions } from './options';
import { StatusPublisher } from './status';

/** What an invoker extension is made of. It closes none of them but the factory. */
export interface InvokerParts {
  config: InvokerConfig;
  bus: Bus;
  entities: EntityStore;
  registry: Registry;
  factory: ContainerFactory;
  /** Undefined: no tensor daemon, every instance loads privately. */
  daemon?: DaemonOperator | undefined;
  /** @default the configured names, for good */
  blacklist?: Blacklist;
  log: Logger;
  /** Epoch ms. @default Date.now */
  nowMs?: () => number;
  /** @default a registry of its own */
  metrics?: MetricsRegistry;
  /** Ended by whoever made it. @default nobody is told */
  tracer?: Tracer;
}

/** How long "nobody knows this manifest" is believed, ms. */
const MANIFEST_UNKNOWN_TTL_MS = 5_000;

/** Time for the last acks after the end of a drain that took too long. */
const LAST_ACKS_MS = 5_000;

/** Longest pause between two attempts to send an ack. */
const ACK_PAUSE_MS_MAX = 30_000;

/** Attempts to register an instance with a daemon that is away, and the pauses between them. */
const REGISTER = { attemptsMax: 5, backoff: { firstMs: 200, maxMs: 400 } };

/**
 * One invoker: takes activations from its topic, runs them in function instances and answers them, exactly once each
 * as long as the process lives. Works behind the load balancer and directly under a stock controller.
 */
export class InvokerExtension {
  readonly metrics: MetricsRegistry;
  readonly #parts: InvokerParts;
  readonly #counts: InvokerMetrics;
  readonly #topics: Topics;
  readonly #pool: Pool<Ticket>;
  readonly #manager: InstanceManager;
  readonly #registrar: Registrar;
  readonly #stemCells: StemCellKeeper;
  readonly #sampler: Sampler;
  readonly #autoscaler: Autoscaler;
  readonly #manifests: Manifests;
  readonly #answerer: Answerer;
  readonly #heartbeat: Heartbeat;
  readonly #status: StatusPublisher<Ticket>;
  readonly #reporter: Reporter;
  readonly #inventory: InventoryPublisher | undefined;
  readonly #peers: PeerDirectory | undefined;
  readonly #feed: ActivationFeed;
  readonly #nowMs: () => number;
  readonly #timers: NodeJS.Timeout[] = [];
  #subscription: Subscription | undefined;

  constructor(parts: InvokerParts) {
    const { config, bus, entities, registry, factory, daemon, log } = parts;
    const { nowMs = Date.now, tracer = NO_TRACER } = parts;
    this.#parts = parts;
    this.#nowMs = nowMs;
    this.metrics = parts.metrics ?? new MetricsRegistry();
    this.#counts = invokerMetrics(this.metrics);
    this.#topics = new Topics(topicPrefixOf(config.topicPrefix));
    const id = instanceIdOf(config);
    const acks = new AckSender({
      bus,
      topics: this.#topics,
      instance: id,
      log,
      attemptsMax: config.ackAttempts,
      backoff: { firstMs: config.ackRetryMs, maxMs: ACK_PAUSE_MS_MAX },
      onLost: () => this.#counts.acksLost.inc(),
    });
    this.#answerer = new Answerer({
      acks,
      entities,
      levels: { blocking: config.storeBlocking, nonBlocking: config.storeNonBlocking },
      log,
      nowMs,
      events:
        config.eventsTopic === '' ? undefined : { bus, topic: config.eventsTopic, source: `invoker${config.instance}` },
    });
    this.#pool = new Pool(poolOptions(config), keepAliveOf(config));
    this.#registrar = new Registrar({ daemon, instance: config.instance, log, ...REGISTER });
    this.#manifests = new Manifests({
      registry,
      log,
      entriesMax: config.manifestCacheEntries,
      unknownTtlMs: MANIFEST_UNKNOWN_TTL_MS,
      nowMs,
    });
    this.#status = new StatusPublisher({
      pool: this.#pool,
      registry,
      instance: config.instance,
      node: config.node,
      peer: config.daemonPeerUrl,
      oldestStartMs: () => this.#feed.oldestStartMs,
      readUpTo: () => this.#feed.readUpTo,
      metrics: this.#counts,
      log,
      nowMs,
      intervalMs: config.statusMs,
      throttleMs: config.statusThrottleMs,
    });
    this.#reporter = new Reporter({
      daemon,
      instances: () => this.#pool.instances(),
      privateBytes: () => ownBytes(this.#pool.memory),
      functionsMax: config.reportFunctionsMax,
      windowMs: config.reportWindowMs,
      log,
      nowMs,
    });
    const scaling = scalerOptions(config);
    this.#autoscaler = new Autoscaler({
      scaler: new Scaler(scaling),
      pool: this.#pool,
      manager: () => this.#manager,
      archive: new ProfileArchive(config.profilePath === '' ? entities : new FolderDocuments(config.profilePath)),
      manifestOf: (revision) => this.#manifests.get(revision),
      defaults: config,
      batchMax: config.shapeBatchMax,
      prewarms: config.prewarm !== 'off',
      cores: scaling.cores,
      metrics: this.#counts,
      log,
      nowMs,
    });
    this.#stemCells = new StemCellKeeper({
      plans: parseStemCells(config.stemCells),
      seenBytesMax: config.stemCellBytesMax,
      factory,
      registrar: this.#registrar,
      env: containerEnvironment(config),
      onStart: () => this.#counts.stemCellStarts.inc(),
      log,
    });
    const growth = new GrowthWatch(config.growthBytesMax);
    this.#manager = new InstanceManager({
      pool: this.#pool,
      factory,
      registrar: this.#registrar,
      stemCells: this.#stemCells,
      runner: new Runner({
        replyBytesMax: config.replyBytesMax,
        truncationBytes: config.truncationBytes,
        nowMs,
        tracer,
      }),
      answerer: this.#answerer,
      nextFor: (job) => this.#autoscaler.arrived(job),
      manifestOf: (revision) => this.#manifests.get(revision),
      growth,
      logWaits: { betweenLinesMs: config.logWaitMs },
      env: containerEnvironment(config),
      metrics: this.#counts,
      tracer,
      log,
      nowMs,
      onUsed: (instance, run) => {
        this.#sampler.used(instance);
        this.#autoscaler.ran(instance, run);
        const name = { action: instance.revision, namespace: run.activation.namespace };
        this.#reporter.answered(name, instance.settings, run);
      },
      onRefused: ({ revision, namespace }, reason) => this.#reporter.refused({ action: revision, namespace }, reason),
      onWarmUpFailed: (group) => this.#autoscaler.warmUpFailed(group),
      onChanged: () => this.#status.changed(),
      // Who waits for memory is told what there is now, and not with the next round.
      onGone: () => this.#pool.short && void this.#sampler.sample(),
    });
    this.#sampler = new Sampler({
      daemon,
      instances: () => this.#manager.instances.values(),
      onMeasured: (leased, samples) => {
        growth.measured(samples);
        this.#autoscaler.measured(samples);
        this.#manager.apply(this.#pool.measured(leased, samples, nowMs()));
      },
      onManifest: (revision, manifest) => {
        this.#pool.learned(revision, manifest);
        this.#autoscaler.modelsKnown(revision, manifest);
        void this.#manifests.learned(revision, manifest);
      },
      log,
      intervalMs: config.measureMs,
    });
    this.#heartbeat = new Heartbeat({ bus, topics: this.#topics, instance: id, log, intervalMs: config.pingMs });
    this.#inventory =
      daemon === undefined
        ? undefined
        : new InventoryPublisher({
            daemon,
            registry,
            node: config.node,
            log,
            intervalMs: config.inventoryMs,
            snapshotIntervalMs: config.inventorySnapshotMs,
          });
    this.#peers =
      daemon === undefined || config.daemonPeerUrl === ''
        ? undefined
        : new PeerDirectory({ daemon, registry, node: config.node, log, nowMs, intervalMs: config.peersMs });
    this.#feed = new ActivationFeed({
      intake: {
        entities,
        blacklist: parts.blacklist ?? new NameBlacklist(config.blacklist),
        bounds: boundsOf(config),
        kinds: config.kinds,
        parameterKey: parameterKeyOf(config),
        nowMs,
      },
      answerer: this.#answerer,
      prepare: (job) => this.#manifests.load(revisionKey(job)),
      submit: (job) => this.#manager.submit(job),
      recentMax: config.recentActivationsMax,
      metrics: this.#counts,
      log,
      nowMs,
    });
  }

  /** Removes what an earlier run left over, then takes activations. */
  async start(): Promise<void> {
    const { config, bus, factory } = this.#parts;
    for (const token of await factory.removeOrphans()) await this.#registrar.release(token);
    await this.#registrar.reconcile();
    this.#sampler.start();
    this.#inventory?.start();
    await this.#peers?.start();
    this.#status.start();
    this.#every(config.tickMs, () => this.#tick());
    this.#tick();
    if (config.reportMs > 0) this.#every(config.reportMs, () => void this.#report());
    this.#every(config.planMs, () => this.#autoscaler.plan());
    this.#every(config.measureMs, () => void this.#stemCells.measure());
    this.#every(config.reconcileMs, () => void this.#registrar.reconcile());
    // The topic is made and read before the first ping, because a health test answers it at once.
    await this.#heartbeat.createTopics();
    const topic = this.#topics.invoker(config.instance);
    this.#subscription = await bus.subscribe({
      topic,
      group: topic,
      capacity: config.inFlightMax,
      handler: ({ value, position }) => this.#feed.handle(value, position),
    });
    this.#heartbeat.enable();
  }

  /** Takes the invoker out of service or puts it back; what it has is finished. As `POST /disable` and `/enable`. */
  async setEnabled(enabled: boolean): Promise<void> {
    if (enabled) this.#heartbeat.enable();
    else await this.#heartbeat.disable();
  }

  get enabled(): boolean {
    return this.#heartbeat.enabled;
  }

  status(): InvokerStatus {
    return this.#status.status();
  }

  /** Never rejects. */
  async #report(): Promise<void> {
    await this.#status.publish(await this.#reporter.report());
  }

  /** The invoker's metrics and those of its node's daemon, in the text format of Prometheus. */
  nodeMetrics(): Promise<string> {
    const { daemon, log } = this.#parts;
    return nodeMetrics({ invoker: this.metrics, daemon, log });
  }

  /**
   * Drains: no more pings and activations, what runs is finished and answered, records are flushed, instances ended.
   */
  async stop(): Promise<void> {
    const { config, entities, factory, log } = this.#parts;
    await this.#heartbeat.disable();
    this.#stemCells.stop();
    await this.#status.draining();
    const finished = (this.#subscription?.stop() ?? Promise.resolve()).then(() => true);
    this.#manager.apply(this.#pool.drain(this.#nowMs()));
    if ((await within(finished, config.drainMs)) === undefined) {
      log.warn('activations were still running at the end of the drain');
      this.#manager.apply(this.#pool.abandon(this.#nowMs()));
    }
    await this.#sampler.stop();
    await this.#inventory?.stop();
    this.#peers?.stop();
    for (const timer of this.#timers) clearInterval(timer);
    this.#status.stop();
    await factory.close();
    await this.#manager.empty();
    // Those that ran until now have been answered as crashed; their acks are on their way.
    await within(finished, LAST_ACKS_MS);
    await this.#registrar.reconcile();
    await entities.flush();
  }

  /** Stem cells have what memory nobody waits for, and start when nobody waits for an instance that does. */
  #tick(): void {
    const { memory } = this.#pool;
    if (this.#pool.short) this.#stemCells.drop();
    else if (!this.#pool.isStarting) this.#stemCells.refill((bytes) => memory.fits(bytes));
    memory.setAside(this.#stemCells.reservedBytes);
    this.#counts.stemCells.set(this.#stemCells.waiting);
    this.#manager.apply(this.#pool.tick(this.#nowMs()));
  }

  #every(intervalMs: number, work: () => void): void {
    this.#timers.push(setInterval(work, intervalMs).unref());
  }
}

/** What no other instance has a part in. */
function ownBytes(memory: MemoryLedger): number {
  const { private: own, aside } = memory.bytesByKind();
  return own + aside;
}
