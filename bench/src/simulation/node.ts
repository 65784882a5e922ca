/**
 * A node in simulated time: the invoker's own pool, ledger and status, and under objectives its scaler, over instances
 * that take as long as they are made to.
 */
import { createLogger, type InvokerStatus } from '@tetris/common';
import {
  type InstanceSettings,
  type InvokerMetrics,
  invokerMetrics,
  type KeepAlivePolicy,
  Pool,
  type PoolCommand,
  type PoolOptions,
  StatusPublisher,
} from '@tetris/invoker-extension';
import { Registry as MetricsRegistry } from 'prom-client';
import type { SimulatedFunction } from './functions';
import { type Executed, type InstanceWorld, type Request, SimulatedInstance } from './instance';
import { groupKeyOf, type Planner, settingsAlone } from './planner';
import type { TensorStore } from './tensor-store';

export interface NodeOptions {
  instance: number;
  pool: PoolOptions;
  keepAlive: KeepAlivePolicy;
  world: InstanceWorld;
  store: TensorStore;
  /** Revisions whose manifests the platform knows; a node adds those that it has loaded. */
  known: Map<string, SimulatedFunction['manifest']>;
  /** Plans instances of functions with an objective. */
  planner?: Planner;
  onLearned: (of: SimulatedFunction) => void;
  onStarted?: (settings: InstanceSettings) => void;
  onEnded?: (of: SimulatedFunction, settings: InstanceSettings) => void;
}

/** An instance's end, ms. */
const END_MS = 20;

const METRICS: InvokerMetrics = invokerMetrics(new MetricsRegistry());
const LOG = createLogger('simulation', 'silent');

export class SimulatedNode {
  readonly pool: Pool<Request>;
  readonly #options: NodeOptions;
  readonly #status: StatusPublisher<Request>;
  readonly #instances = new Map<number, SimulatedInstance>();
  readonly #livingOf = new Map<string, number>();
  /** Requests taken and not ended. */
  #open = 0;
  /** Requests sent here, and taken: how long its topic is, and how far it has been read. */
  #appended = 0;
  #read = 0;
  #told: InvokerStatus | undefined;
  starts = 0;

  constructor(options: NodeOptions) {
    this.#options = options;
    const { instance, world } = options;
    this.pool = new Pool(options.pool, options.keepAlive);
    this.#status = new StatusPublisher({
      pool: this.pool,
      registry: { publishStatus: async () => undefined },
      instance,
      node: `node${instance}`,
      peer: '',
      oldestStartMs: () => (this.#open === 0 ? null : 0),
      readUpTo: () => this.#read,
      metrics: METRICS,
      log: LOG,
      nowMs: () => world.events.nowMs,
      intervalMs: 1_000,
      throttleMs: 50,
    });
  }

  /** Made anew where anything has happened since the last one: it looks at every tensor of idle instances. */
  status(): InvokerStatus {
    this.#told ??= this.#status.status();
    return { ...this.#told, atMs: this.#nowMs };
  }

  /** Whether one more instance of the function would find its memory here, where idle ones made room for it. */
  hasBytesFor(of: SimulatedFunction): boolean {
    const { manifest, limitBytes } = this.#need(of);
    return this.pool.reclaimable().lacks({ manifest, limitBytes }) === 0;
  }

  /** A request is on its way. @returns its position in the topic */
  append(): number {
    this.#appended += 1;
    return this.#appended - 1;
  }

  /** Instances of a function, those on their way up included. */
  livingOf(of: SimulatedFunction): number {
    return this.#livingOf.get(of.revision) ?? 0;
  }

  take(request: Request): void {
    this.#open += 1;
    this.#read += 1;
    const { of, startedMs, ended } = request;
    const taken: Request = {
      ...request,
      ended: (outcome, executionMs) => {
        this.#open -= 1;
        ended(outcome, executionMs);
      },
    };
    const next = this.#options.planner?.arrived(of, this.#nowMs) ?? { settings: settingsAlone(of) };
    this.#apply(this.pool.arrived(taken, this.#describe(of, next), this.#nowMs, startedMs));
  }

  tick(): void {
    const told = this.#told;
    const commands = this.pool.tick(this.#nowMs);
    this.#apply(commands);
    if (commands.length === 0) this.#told = told;
    this.#options.store.reclaim(Math.max(0, this.pool.memory.budgetBytes - this.pool.memory.usedBytes));
  }

  plan(): void {
    this.#options.planner?.plan(this.pool, this.#nowMs, {
      planned: (orders) => this.#apply(this.pool.planned(orders, this.#nowMs)),
      warmUp: (of, settings) => this.#apply(this.pool.add(this.#describe(of, { settings }), this.#nowMs), of),
    });
  }

  get #nowMs(): number {
    return this.#options.world.events.nowMs;
  }

  #need(of: SimulatedFunction): { manifest: SimulatedFunction['manifest'] | undefined; limitBytes: number } {
    return { manifest: this.#options.known.get(of.revision), limitBytes: of.limitBytes };
  }

  #describe(of: SimulatedFunction, next: { settings: InstanceSettings; coresMax?: number }): Description {
    const { namespace, revision } = of;
    return { key: groupKeyOf(of), revision, namespace, ...this.#need(of), ...next };
  }

  /** @param unasked what an instance that nobody waits for is of */
  #apply(commands: readonly PoolCommand<Request>[], unasked?: SimulatedFunction): void {
    this.#told = undefined;
    for (const command of commands) {
      switch (command.do) {
        case 'start':
          this.#start(command.instance, command.settings, command.ticket.of, command.ticket);
          break;
        case 'start-beside':
          this.#start(command.instance, command.settings, command.like.of);
          break;
        case 'warm-up':
          if (unasked !== undefined) this.#start(command.instance, command.settings, unasked);
          break;
        case 'run':
          this.#instances.get(command.instance)?.take(command.ticket);
          break;
        case 'end':
          this.#end(command.instance);
          break;
        case 'refuse':
        case 'abort':
          command.ticket.ended('refused', 0);
          break;
        case 'pause':
        case 'rest':
          break;
      }
    }
  }

  #start(id: number, settings: InstanceSettings, of: SimulatedFunction, first?: Request): void {
    const { world, store, onStarted } = this.#options;
    const instance = new SimulatedInstance(of, settings, world, (executed) => this.#executed(id, instance, executed));
    this.#instances.set(id, instance);
    this.starts += 1;
    this.#livingOf.set(of.revision, this.livingOf(of) + 1);
    onStarted?.(settings);
    const missingBytes = store.missingBytes(of.manifest.tensors);
    store.hold(of.manifest.tensors);
    instance.start(
      missingBytes,
      () => this.#apply(this.pool.created(id, this.#nowMs)),
      () => {
        this.#learn(of);
        this.#apply(this.pool.initialised(id, this.#nowMs));
        if (first !== undefined) instance.take(first);
      },
    );
  }

  #learn(of: SimulatedFunction): void {
    const { known, onLearned } = this.#options;
    if (known.has(of.revision)) return;
    known.set(of.revision, of.manifest);
    this.pool.learned(of.revision, of.manifest);
    onLearned(of);
  }

  #executed(id: number, instance: SimulatedInstance, { requests, waitsMs, executionMs, settled }: Executed): void {
    const { planner, world } = this.#options;
    if (settled && planner !== undefined) {
      const crowded = planner.isCrowded(this.pool, world.processors.count);
      planner.ran(instance.of, instance.settings, requests.length, executionMs, crowded);
    }
    for (const [at, request] of requests.entries()) {
      if (settled) planner?.answered(instance.of, this.#nowMs - request.startedMs);
      // An execution is counted once.
      const execution = { requests: at === 0 ? requests.length : 0, executionMs, waitedMs: waitsMs[at] ?? 0 };
      this.#apply(this.pool.finished(id, request, false, this.#nowMs, execution));
      request.ended('answered', executionMs);
    }
    if (settled) return;
    const { of, settings } = instance;
    const privateBytes = of.holdsBytes?.(settings) ?? of.manifest.privateBytes;
    planner?.measured(of, settings, privateBytes);
    this.#apply(this.pool.measured(undefined, new Map([[id, privateBytes]]), this.#nowMs));
  }

  #end(id: number): void {
    const instance = this.#instances.get(id);
    if (instance === undefined || instance.ended) return;
    instance.ended = true;
    this.#livingOf.set(instance.of.revision, this.livingOf(instance.of) - 1);
    this.#options.world.events.after(END_MS, () => {
      this.#instances.delete(id);
      this.#options.store.release(instance.of.manifest.tensors);
      this.#options.onEnded?.(instance.of, instance.settings);
      this.#apply(this.pool.ended(id, this.#nowMs));
    });
  }
}

type Description = Parameters<Pool<Request>['arrived']>[1];
