/** A controller and invokers around a real load balancer, over the in-process bus. Time goes on by `advance` only. */
import {
  type Action,
  type EntityStore,
  type InvokerInstanceId,
  type InvokerStatus,
  MemoryBus,
  MemoryRegistry,
  PluginError,
  type Registry,
  TOPIC_SETTINGS,
  createLogger,
  invokerInstanceId,
  readConfig,
} from '@tetris/common';
import { LoadBalancer, balancerConfig } from '@tetris/load-balancer';
import { until } from '../../support/until';

export const log = createLogger('test', 'silent');
export const GIB = 1024 ** 3;
export const START_MS = 1_767_225_600_000;

let ids = 0;
export const nextId = (): string => (ids += 1).toString(16).padStart(32, '0');

/** The stock controller's message, as text so that number forms and unknown fields are ours to choose. */
export function activationText(activationId: string, overrides: Record<string, unknown> = {}): string {
  return JSON.stringify({
    transid: ['Zt4vQ9mB1xKc7LwYp3RsNf6HdJ2aGe80', START_MS],
    action: { path: 'guest/vision', name: 'classify', version: '0.0.3' },
    revision: '1-a',
    user: {
      subject: 'guest',
      namespace: { name: 'guest', uuid: '6f1d2c3b-4a59-4687-8695-0a1b2c3d4e5f' },
      authkey: { api_key: 'u:k' },
      rights: ['ACTIVATE'],
      limits: {},
    },
    activationId,
    rootControllerIndex: { asString: '0', instanceType: 'controller' },
    blocking: true,
    content: { topk: 5 },
    initArgs: [],
    lockedArgs: {},
    ...overrides,
  });
}

export function actionOf(kind: string): Action {
  return {
    namespace: 'guest/vision',
    name: 'classify',
    version: '0.0.3',
    revision: '1-a',
    publish: false,
    updated: 0,
    exec: { kind, binary: false },
    parameters: [],
    annotations: [],
    limits: { timeout: 60_000, memory: 256, logs: 10, concurrency: 1 },
  };
}

/** A store of the actions that a test names by `namespace/name`. */
export function entitiesOf(actions: Record<string, Action>): EntityStore & { stored: unknown[]; reads: number } {
  const fake = {
    stored: [] as unknown[],
    reads: 0,
    async getAction(id: string): Promise<Action> {
      fake.reads += 1;
      const action = actions[id];
      if (action === undefined) throw new PluginError('ERR_DOCUMENT_NOT_FOUND', `no action ${id}`);
      return action;
    },
    putActivation(activation: unknown): void {
      fake.stored.push(activation);
    },
  };
  return fake as unknown as EntityStore & { stored: unknown[]; reads: number };
}

/** What an invoker of ours says of itself: a node of its own, 4 GiB and nothing in them. */
export function statusOf(instance: number, overrides: Partial<InvokerStatus> = {}): InvokerStatus {
  return {
    instance,
    node: `node${instance}`,
    atMs: 0,
    memoryBytes: 4 * GIB,
    memoryUsedBytes: 0,
    running: 1,
    waiting: 0,
    warm: [],
    draining: false,
    ...overrides,
  };
}

export interface AckJson {
  transid: unknown;
  activationId?: string;
  instance?: { instance: number };
  response?: string | { activationId: string; response: { statusCode: number } };
  isSystemError?: boolean;
}

/** Keeps the controller's books: what is awaited, and what each ack did. */
export class Controller {
  readonly results = new Map<string, number>();
  readonly slots = new Map<string, number>();
  readonly acks: AckJson[] = [];
  readonly texts: string[] = [];
  readonly pings: { name: { instance: number; userMemory: string }; isEnabled?: boolean }[] = [];

  readonly bus: MemoryBus;
  readonly id: string;

  constructor(bus: MemoryBus, id = '0') {
    this.bus = bus;
    this.id = id;
  }

  async start(): Promise<void> {
    const topic = `completed${this.id}`;
    await this.bus.ensureTopic(topic, TOPIC_SETTINGS.completed);
    await this.bus.subscribe({ topic, group: topic, capacity: 128, handler: ({ value }) => this.#acked(value) });
    await this.bus.subscribe({
      topic: 'health',
      group: `health${this.id}`,
      capacity: 128,
      handler: ({ value }) => {
        this.pings.push(JSON.parse(value.toString()) as never);
      },
    });
  }

  async invoke(overrides: Record<string, unknown> = {}, virtualInvoker = 0): Promise<string> {
    const activationId = nextId();
    await this.bus.send(`invoker${virtualInvoker}`, activationText(activationId, overrides));
    return activationId;
  }

  #acked(value: Buffer): void {
    this.texts.push(value.toString());
    const ack = JSON.parse(value.toString()) as AckJson;
    this.acks.push(ack);
    const id = typeof ack.response === 'object' ? ack.response.activationId : (ack.response ?? ack.activationId ?? '');
    if (ack.response != null) this.results.set(id, (this.results.get(id) ?? 0) + 1);
    if (ack.instance != null) this.slots.set(id, (this.slots.get(id) ?? 0) + 1);
  }
}

/** An invoker that answers what it is told to, or everything at once. */
export class Invoker {
  readonly received: { activationId: string; transid: unknown; blocking: boolean; text: string }[] = [];
  /** Answers by itself. */
  automatic = true;
  alive = true;

  readonly bus: MemoryBus;
  readonly instance: number;
  readonly registry: Registry | undefined;

  constructor(bus: MemoryBus, instance: number, registry?: Registry) {
    this.bus = bus;
    this.instance = instance;
    this.registry = registry;
  }

  async start(): Promise<void> {
    const topic = `tetris-invoker${this.instance}`;
    await this.bus.ensureTopic(topic, TOPIC_SETTINGS.invoker);
    await this.bus.subscribe({ topic, group: topic, capacity: 1000, handler: async ({ value }) => this.#run(value) });
  }

  async ping(isEnabled = true): Promise<void> {
    if (!this.alive) return;
    const name = this.id();
    await this.bus.send('tetris-health', JSON.stringify({ name, isEnabled }));
  }

  async status(overrides: Partial<InvokerStatus> = {}): Promise<void> {
    if (!this.alive) return;
    await this.registry?.publishStatus(statusOf(this.instance, overrides));
  }

  async answer(activationId: string, transid: unknown = ['t', 1], statusCode = 0): Promise<void> {
    await this.ack({
      transid,
      response: this.record(activationId, statusCode),
      isSystemError: statusCode === 3,
      instance: this.id(),
    });
  }

  async ack(ack: unknown, controller = '0'): Promise<void> {
    await this.bus.send(`tetris-completed${controller}`, typeof ack === 'string' ? ack : JSON.stringify(ack));
  }

  id(): InvokerInstanceId {
    return invokerInstanceId(this.instance, 4 * GIB);
  }

  record(activationId: string, statusCode = 0): unknown {
    return {
      namespace: 'guest',
      name: 'classify',
      subject: 'guest',
      activationId,
      start: 1,
      end: 2,
      response: { statusCode, result: {} },
      logs: [],
      version: '0.0.3',
      publish: false,
      annotations: [],
    };
  }

  async #run(value: Buffer): Promise<void> {
    if (!this.alive) return;
    const text = value.toString();
    const { activationId, transid, blocking } = JSON.parse(text) as Invoker['received'][number];
    this.received.push({ activationId, transid, blocking, text });
    if (this.automatic) await this.answer(activationId, transid);
  }
}

export interface ClusterOptions {
  invokers?: number;
  tetris?: boolean;
  kind?: string;
  overrides?: Record<string, unknown>;
  registry?: Registry;
  bus?: MemoryBus;
  entities?: EntityStore;
}

/** One load balancer, one controller, some invokers that have pinged. */
export class Cluster {
  nowMs = START_MS;
  readonly bus: MemoryBus;
  readonly registry: Registry;
  readonly entities: EntityStore & { stored: unknown[]; reads: number };
  readonly controller: Controller;
  readonly invokers: Invoker[];
  readonly balancer: LoadBalancer;
  readonly #tetris: boolean;

  constructor({
    invokers = 1,
    tetris = true,
    kind = 'nodejs:tetris',
    overrides,
    registry,
    bus,
    entities,
  }: ClusterOptions = {}) {
    this.bus = bus ?? new MemoryBus(log);
    this.registry = registry ?? new MemoryRegistry();
    this.entities = (entities ?? entitiesOf({ 'guest/vision/classify': actionOf(kind) })) as Cluster['entities'];
    this.controller = new Controller(this.bus);
    this.#tetris = tetris;
    this.invokers = Array.from(
      { length: invokers },
      (_, index) => new Invoker(this.bus, index, tetris ? this.registry : undefined),
    );
    this.balancer = this.newBalancer(overrides);
  }

  newBalancer(overrides: Record<string, unknown> = {}): LoadBalancer {
    return new LoadBalancer({
      controllerBus: this.bus,
      invokerBus: this.bus,
      entities: this.entities,
      registry: this.registry,
      config: readConfig(balancerConfig, {}, { stockGraceMs: 0, drainMsMax: 100, ...overrides }),
      log,
      now: () => this.nowMs,
      random: () => 0.5,
    });
  }

  async start(): Promise<this> {
    await this.controller.start();
    for (const invoker of this.invokers) await invoker.start();
    await this.balancer.start();
    await this.beat();
    await this.balancer.tick();
    return this;
  }

  /** Every living invoker pings and, where it is one of ours, tells its status. */
  async beat(): Promise<void> {
    for (const invoker of this.invokers) {
      await invoker.status();
      await invoker.ping();
      const { alive, instance } = invoker;
      if (alive) {
        await until(() => this.balancer.fleet.get(instance)?.lastPingMs === this.nowMs, 'ping seen');
        if (!this.#tetris) await until(() => this.balancer.fleet.get(instance)?.flavour === 'stock');
      }
    }
  }

  /** Seconds pass, with a tick and a heartbeat each. */
  async advance(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second += 1) {
      this.nowMs += 1_000;
      await this.beat();
      await this.balancer.tick();
    }
  }

  async stop(): Promise<void> {
    await this.balancer.stop();
    await this.bus.close();
  }
}
