/**
 * A load balancer in simulated time: its own dispatcher, waiting queues, placement, fleet and index. What surrounds
 * them (bus, registry, controllers) are functions here.
 */
import {
  type ActionManifest,
  createLogger,
  type InventoryDelta,
  type InvokerStatus,
  type RegistryEvents,
  TETRIS_KIND,
  Topics,
  NO_TRACER,
} from '@tetris/common';
import {
  type ActionFacts,
  type BalancerConfig,
  balancerMetrics,
  Dispatcher,
  Fleet,
  InFlightTable,
  Journal,
  Placer,
  type PlacementRequest,
  type Placement,
  registryEvents,
  SimilarityIndex,
} from '@tetris/load-balancer';
import { Registry as MetricsRegistry } from 'prom-client';
import type { Events } from './events';
import type { SimulatedFunction } from './functions';
import type { Request } from './instance';

/** What is compared with the plugin's placement. */
export interface PlacementPolicy {
  place: (request: PlacementRequest, nowMs: number) => Placement;
}

export interface BalancerOptions {
  config: BalancerConfig;
  nodes: number;
  events: Events;
  functions: ReadonlyMap<string, SimulatedFunction>;
  random: () => number;
  /** Brings a request to a node. @returns its position in the node's topic */
  send: (instance: number, request: Request) => number;
  /** A request was answered here with an error. */
  refused: (request: Request, reason: string) => void;
  /** Instead of placement by similarity. */
  policy?: (fleet: Fleet) => PlacementPolicy;
}

const LOG = createLogger('simulation', 'silent');
const NONE = async (): Promise<void> => undefined;
const KIND = TETRIS_KIND;

export class SimulatedBalancer {
  readonly fleet: Fleet;
  /** How long each decision took, µs of real time. */
  readonly decisionsUs: number[] = [];
  readonly startDecisionsUs: number[] = [];
  readonly events: Required<RegistryEvents>;
  readonly #options: BalancerOptions;
  readonly #similarity: SimilarityIndex;
  readonly #placer: Placer;
  readonly #policy: PlacementPolicy;
  readonly #table = new InFlightTable();
  readonly #dispatcher: Dispatcher;
  readonly #requests = new Map<string, Request>();

  constructor(options: BalancerOptions) {
    this.#options = options;
    const { config, nodes, events, functions } = options;
    const now = (): number => events.nowMs;
    this.fleet = new Fleet({ ...config, invokersMax: nodes });
    this.#similarity = new SimilarityIndex({ actionsMax: config.actionsMax, nodesMax: nodes });
    const rules = { ...config, inFlightMax: config.invokerInFlightMax };
    this.#placer = new Placer(this.fleet, this.#similarity, rules, options.random);
    this.#policy = options.policy?.(this.fleet) ?? this.#placer;
    const watched = {
      fleet: this.fleet,
      instances: this.#placer.instances,
      similarity: this.#similarity,
      observe: () => undefined,
      now,
    };
    this.events = registryEvents(watched) as Required<RegistryEvents>;
    const registry = { putInFlight: NONE, deleteInFlight: NONE, listInFlight: async () => [] };
    this.#dispatcher = new Dispatcher(
      {
        bus: {
          send: async (topic: string, value: string | Buffer) => this.#send(topic, value.toString()),
        } as never,
        topics: new Topics(''),
        catalog: { facts: async (action) => factsOf(functions.get(action) as SimulatedFunction) },
        fleet: this.fleet,
        placer: {
          place: (request, nowMs) => this.#place(request, nowMs),
          placeProbe: () => ({ outcome: 'absent' }),
          answerMs: (request, nowMs) => this.#placer.answerMs(request, nowMs),
          service: (request) => this.#placer.service(request),
        },
        table: this.#table,
        journal: new Journal(registry as never, { owner: 'simulation', waitMsMax: 1_000 }, LOG),
        answers: {
          deliver: NONE,
          fail: async ({ activationId }, { response }) => {
            const request = this.#requests.get(activationId);
            this.#requests.delete(activationId);
            if (request !== undefined) options.refused(request, JSON.stringify(response.result));
          },
        },
        listenTo: NONE,
        store: () => undefined,
        metrics: balancerMetrics(new MetricsRegistry()),
        tracer: NO_TRACER,
        log: LOG,
        now,
      },
      { ...config, memoryDefaultBytes: config.memoryDefault },
    );
  }

  get waiting(): number {
    return this.#dispatcher.waiting;
  }

  /** A controller hands on a request. */
  accept(request: Request): void {
    const { id, of, startedMs } = request;
    this.#requests.set(id, request);
    this.#options.events.settling();
    void this.#dispatcher.accept({
      activationId: id,
      transid: [id, startedMs],
      controller: '0',
      virtualInvoker: 0,
      blocking: true,
      namespace: of.namespace,
      subject: of.namespace,
      action: of.action,
      revision: '1',
      healthTest: false,
      value: Buffer.from(id),
    });
  }

  /** A node's ack arrives. */
  acked(id: string, durationMs: number): void {
    this.#requests.delete(id);
    this.#options.events.settling();
    void this.#dispatcher.acked({ type: 'combined', activationId: id, isSystemError: false, durationMs, text: '' });
  }

  learned(revision: string, manifest: ActionManifest): void {
    this.events.manifest(revision, manifest);
  }

  status(status: InvokerStatus): void {
    this.events.status(status);
  }

  inventory(node: string, change: Pick<InventoryDelta, 'added' | 'removed'>): void {
    this.events.inventoryDelta(node, { sequence: 0, ...change });
  }

  ping(instance: number): void {
    const name = { instance, userMemory: '0 B', instanceType: 'invoker' as const, tags: [], dedicatedNamespaces: [] };
    this.fleet.ping({ name }, this.#options.events.nowMs);
  }

  tick(): void {
    const { nowMs } = this.#options.events;
    this.fleet.tick(nowMs);
    this.#options.events.settling();
    this.#dispatcher.tick(nowMs);
  }

  #place(request: PlacementRequest, nowMs: number): Placement {
    const startedMs = performance.now();
    const placement = this.#policy.place(request, nowMs);
    const tookUs = (performance.now() - startedMs) * 1_000;
    this.decisionsUs.push(tookUs);
    if (placement.outcome === 'similar') this.startDecisionsUs.push(tookUs);
    return placement;
  }

  #send(topic: string, id: string): number {
    const request = this.#requests.get(id);
    if (request === undefined) throw new Error(`request ${id} was sent, which nobody knows`);
    return this.#options.send(Number(topic.slice('invoker'.length)), request);
  }
}

function factsOf({ limitBytes, concurrency, sloMs }: SimulatedFunction): ActionFacts {
  return {
    kind: KIND,
    memoryBytes: limitBytes,
    timeoutMs: 60_000,
    concurrency,
    priority: 0,
    deadlineMs: undefined,
    sloMs,
  };
}
