/**
 * A scheduler of OpenWhisk as invokers see it, strict: real etcd, real Kafka, real gRPC. What a stock scheduler would
 * choke on, drop or lose is a violation.
 *
 * Left out, because it is between schedulers and controllers: the remote call that makes a queue, which is a method
 * here, and the move of queues between schedulers at a shutdown.
 */
import { randomUUID } from 'node:crypto';
import type { Server } from '@grpc/grpc-js';
import { type Fetch, serveFetches } from '@tetris/bench/fetch-server';
import {
  type Action,
  type Bus,
  type Etcd,
  type EtcdEntry,
  type Logger,
  type Subscription,
  TOPIC_SETTINGS,
  Topics,
} from '@tetris/common';
import { MemoryQueue, type WaitingPull } from './memory-queue';
import { type ContainerKey, readAck, readInvoker, readKey, readPull } from './strict-readers';

export interface SchedulerOptions {
  bus: Bus;
  etcd: Etcd;
  cluster: string;
  id: string;
  /** Containers that a namespace may have. */
  limit: number;
  /** Order that nobody acks is lost after this, ms. Stock's is 20_000. */
  orderMsMax: number;
  /** Queue with no message and no container ends after this, ms. Stock's is 20_000 twice. */
  queueIdleMs: number;
  onViolation: (text: string) => void;
  /** Answers an activation that cannot be run. */
  fail: (message: string, reason: string) => void;
  log: Logger;
}

interface Queue {
  memory: MemoryQueue;
  namespace: string;
  action: Action;
  /** As the controller writes it, with the version. */
  fqn: { path: string; name: string; version: string };
  /** Why it has no container, as far as it knows. */
  reason: string;
}

interface Order {
  queue: Queue;
  retryCount: number;
  invoker: number;
  hint: string | undefined;
  timer: NodeJS.Timeout;
}

const TICK_MS = 100;
const LEASE_MS = 5_000;
const PULL_MS = 1_000;
const RETRIES_MAX = 5;
/** Messages of a queue without containers wait for so long: stock's `max-retention-ms`. */
const RETENTION_MS = 60_000;
const FINAL = new Set(['DBFetchError', 'BlackBoxError', 'TooManyConcurrentRequests', 'InvalidActionLimitError']);

export class SchedulerSimulator {
  /** Orders sent, those sent again included; by what became of them. */
  readonly counts = { ordered: 0, acked: 0, refused: 0, failed: 0, timedOut: 0 };
  /** Namespaces that are throttled, as controllers would see it. */
  readonly throttled = new Set<string>();
  /** Whether a namespace ever was. */
  everThrottled = false;
  readonly topics = new Topics('');
  readonly #options: SchedulerOptions;
  readonly #queues = new Map<string, Queue>();
  readonly #orders = new Map<string, Order>();
  readonly #invokers = new Map<number, { key: string; up: boolean; freeMemory: number; tags: string[] }>();
  /** Hints in the order seen. */
  readonly #warmed = new Map<string, ContainerKey>();
  readonly #containers = new Map<string, ContainerKey>();
  readonly #revisions = new Map<string, string>();
  #leaseId = 0n;
  #renewing: NodeJS.Timeout | undefined;
  readonly #unwatch: (() => void)[] = [];
  #subscriptions: Subscription[] = [];
  #server: Server | undefined;
  #timer: NodeJS.Timeout | undefined;
  port = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  /** @param port of an earlier run, so that it is the same scheduler */
  async start(port = 0): Promise<void> {
    const { bus, etcd, cluster, id } = this.#options;
    const serving = await serveFetches((fetch) => this.#fetch(fetch), port);
    this.#server = serving.server;
    this.port = serving.port;
    this.#leaseId = (await etcd.grantLease(LEASE_MS)).id;
    this.#renewing = setInterval(() => void etcd.renewLease(this.#leaseId).catch(() => undefined), LEASE_MS / 5);
    const own = `scheduler${id}`;
    await bus.ensureTopic(own, TOPIC_SETTINGS.invoker);
    await bus.ensureTopic(this.topics.creationAck(id), TOPIC_SETTINGS.completed);
    const read = async (topic: string, handle: (text: string) => void): Promise<Subscription> =>
      bus.subscribe({ topic, group: topic, capacity: 2_000, handler: ({ value }) => handle(value.toString()) });
    // Watch events only: what was there before is not known, as in stock.
    const watch = async (kind: string, put: (entry: EtcdEntry) => void, gone: (key: string) => void): Promise<void> => {
      let begun = false;
      const present = (entries: readonly EtcdEntry[]): void => {
        if (begun || kind === 'invokers') for (const entry of entries) put(entry);
        begun = true;
      };
      this.#unwatch.push(await etcd.watch(`${cluster}/${kind}/`, { present, put, deleted: gone }));
    };
    await watch(
      'invokers',
      (entry) => this.#invokerPut(entry),
      (key) => this.#invokerGone(key),
    );
    await watch(
      'warmed',
      ({ key }) => this.#keyPut(key, this.#warmed),
      (key) => this.#warmed.delete(key),
    );
    await watch(
      'namespace',
      ({ key }) => this.#containerPut(key),
      (key) => this.#containerGone(key),
    );
    this.#subscriptions = [
      await read(own, (text) => this.arrived(text)),
      await read(this.topics.creationAck(id), (text) => this.#acked(text)),
    ];
    const endpoints = { host: '127.0.0.1', rpcPort: this.port, akkaPort: 1 };
    const state = { sid: { asString: id }, queueSize: 0, endpoints };
    await etcd.put(`${cluster}/scheduler/${id}`, JSON.stringify(state), this.#leaseId);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** What the controller's remote call does. */
  async createQueue(namespace: string, action: Action): Promise<void> {
    const key = `${namespace} ${action.namespace}/${action.name} ${action.revision}`;
    if (this.#queues.has(key)) return;
    const { name, version } = action;
    const fqn = { path: action.namespace, name, version };
    const queue = { memory: new MemoryQueue(Date.now()), namespace, action, fqn, reason: 'no container' };
    this.#queues.set(key, queue);
    const endpoints = { host: '127.0.0.1', rpcPort: this.port, akkaPort: 1 };
    await this.#options.etcd.put(this.#leaderKey(queue), JSON.stringify(endpoints), this.#leaseId);
    this.#order(queue);
  }

  /** Keys under `namespace/` that a scheduler would count. */
  get containers(): number {
    return this.#containers.size;
  }

  get waiting(): number {
    return [...this.#queues.values()].reduce((sum, { memory }) => sum + memory.waiting, 0);
  }

  /** Ends as a killed process does: the lease is left to run out, and waiting pulls break. */
  async kill(): Promise<void> {
    await this.#end();
    this.#server?.forceShutdown();
  }

  async stop(): Promise<void> {
    for (const { memory } of this.#queues.values()) memory.endPulls();
    await this.#end();
    await new Promise<void>((resolve) => this.#server?.tryShutdown(() => resolve()) ?? resolve());
    await this.#options.etcd.revokeLease(this.#leaseId);
  }

  async #end(): Promise<void> {
    clearInterval(this.#timer);
    clearInterval(this.#renewing);
    for (const { timer } of this.#orders.values()) clearTimeout(timer);
    for (const unwatch of this.#unwatch) unwatch();
    await Promise.all(this.#subscriptions.map(async (subscription) => subscription.stop()));
  }

  /** An activation from the topic. */
  arrived(text: string): void {
    const message = JSON.parse(text) as {
      user: { namespace: { name: string } };
      action: { path: string; name: string };
      revision: string;
    };
    const { path, name } = message.action;
    const queue = this.#queues.get(`${message.user.namespace.name} ${path}/${name} ${message.revision}`);
    if (queue === undefined) return this.#options.fail(text, 'no queue');
    if (queue.memory.offer(text, Date.now())) this.#violation(`a pull was taken back and lost ${text.slice(0, 200)}`);
  }

  #tick(): void {
    const nowMs = Date.now();
    for (const [key, queue] of this.#queues) {
      const { memory, namespace, action } = queue;
      if (memory.containers.size === 0) this.#fail(memory.drain(nowMs - RETENTION_MS), queue.reason);
      const inNamespace = {
        existing: [...this.#containers.values()].filter((each) => each.namespace === namespace).length,
        ordered: [...this.#orders.values()].filter((each) => each.queue.namespace === namespace).length,
        limit: this.#options.limit,
      };
      const { order, throttle } = memory.decide(nowMs, inNamespace, action.limits.concurrency);
      if (throttle && memory.waiting > 0) this.#throttle(namespace);
      else this.throttled.delete(namespace);
      for (let count = 0; count < order; count += 1) this.#order(queue);
      const isIdle = memory.waiting === 0 && memory.containers.size === 0 && memory.ordered.size === 0;
      if (isIdle && nowMs - memory.lastUsedMs > this.#options.queueIdleMs) this.#endQueue(key, queue);
    }
  }

  #throttle(namespace: string): void {
    this.everThrottled = true;
    this.throttled.add(namespace);
  }

  #endQueue(key: string, queue: Queue): void {
    this.#queues.delete(key);
    queue.memory.endPulls();
    void this.#options.etcd.delete(this.#leaderKey(queue)).catch(() => undefined);
  }

  #leaderKey({ namespace, fqn }: Queue): string {
    return `${this.#options.cluster}/queue/${namespace}/${fqn.path}/${fqn.name}/leader`;
  }

  /** Chooses an invoker and sends it the order. */
  #order(queue: Queue, creationId: string = randomUUID().replaceAll('-', ''), retryCount = 0): void {
    const { action, namespace, fqn } = queue;
    const chosen = this.#choose(queue);
    queue.memory.ordered.add(creationId);
    const timer = setTimeout(() => this.#orderLost(creationId), this.#options.orderMsMax);
    const order = { queue, retryCount, invoker: chosen?.invoker ?? -1, hint: chosen?.hint, timer };
    this.#orders.set(creationId, order);
    if (chosen === undefined) return this.#again(creationId, order, 'NoAvailableInvokersError');
    this.counts.ordered += 1;
    const { exec, limits, annotations, parameters, publish, version } = action;
    const whiskActionMetaData = {
      ...{ namespace: action.namespace, name: action.name, version, publish, annotations, parameters, limits },
      exec: { kind: exec.kind, binary: exec.binary },
    };
    const message = {
      transid: ['sid_containerCreation', Date.now()],
      invocationNamespace: namespace,
      action: fqn,
      revision: action.revision,
      whiskActionMetaData,
      rootSchedulerIndex: { asString: this.#options.id },
      schedulerHost: '127.0.0.1',
      rpcPort: this.port,
      retryCount,
      creationId,
    };
    void this.#options.bus.send(this.topics.invoker(chosen.invoker), JSON.stringify(message)).catch(() => undefined);
  }

  /** A paused container's invoker first, then one with the tags, then an untagged one. */
  #choose({ namespace, action, fqn }: Queue): { invoker: number; hint?: string } | undefined {
    const usable = [...this.#invokers].filter(([, { up, freeMemory }]) => up && freeMemory >= action.limits.memory);
    const inUse = new Set([...this.#orders.values()].map(({ hint }) => hint));
    const prefix = `${namespace} ${fqn.path}/${fqn.name} ${action.revision}`;
    for (const [hint, key] of this.#warmed) {
      if (inUse.has(hint) || key.action !== prefix) continue;
      if (usable.some(([id]) => id === key.invoker)) return { invoker: key.invoker, hint };
    }
    const wanted = action.annotations.find(({ key }) => key === 'invoker-resources')?.value as string[] | undefined;
    const fitting = usable.filter(([, { tags }]) =>
      wanted === undefined ? tags.length === 0 : wanted.every((tag) => tags.includes(tag)),
    );
    const some = fitting.length > 0 || wanted !== undefined ? fitting : usable;
    const [invoker] = some[Math.floor(Math.random() * some.length)] ?? [];
    return invoker === undefined ? undefined : { invoker };
  }

  #acked(text: string): void {
    const ack = readAck(text, (problem) => this.#violation(`ack: ${problem}`));
    if (ack === undefined) return;
    const order = this.#orders.get(ack.creationId);
    if (order === undefined) return;
    if (ack.error === undefined) {
      this.counts.acked += 1;
      return this.#orderDone(ack.creationId, order);
    }
    if (FINAL.has(ack.error)) {
      this.counts.failed += 1;
      this.#orderDone(ack.creationId, order);
      if (order.queue.memory.containers.size === 0) this.#fail(order.queue.memory.drain(), ack.error);
      return;
    }
    this.counts.refused += 1;
    this.#again(ack.creationId, order, ack.error);
  }

  #again(creationId: string, order: Order, error: string): void {
    clearTimeout(order.timer);
    this.#orders.delete(creationId);
    if (order.retryCount >= RETRIES_MAX) {
      order.queue.memory.ordered.delete(creationId);
      order.queue.reason = error;
      return;
    }
    const pause = setTimeout(
      () => this.#order(order.queue, creationId, order.retryCount + 1),
      100 * 2 ** order.retryCount,
    );
    this.#orders.set(creationId, { ...order, hint: undefined, timer: pause });
  }

  #orderLost(creationId: string): void {
    const order = this.#orders.get(creationId);
    if (order === undefined) return;
    this.counts.timedOut += 1;
    this.#orderDone(creationId, order);
    order.queue.reason = 'TimeoutError';
  }

  #orderDone(creationId: string, { timer, queue }: Order): void {
    clearTimeout(timer);
    this.#orders.delete(creationId);
    queue.memory.ordered.delete(creationId);
  }

  #fail(messages: string[], reason: string): void {
    for (const message of messages) this.#options.fail(message, reason);
  }

  #invokerPut({ key, value }: EtcdEntry): void {
    const invoker = readInvoker(key, value, (problem) => this.#violation(problem));
    if (invoker === undefined) return;
    const isNew = !this.#invokers.has(invoker.id);
    this.#invokers.set(invoker.id, { key, ...invoker });
    if (isNew) this.#warmUp(invoker.id);
  }

  #warmUp(invoker: number): void {
    const message = {
      ...{ transid: ['sid_warmUp', Date.now()], invocationNamespace: 'whisk.system', revision: null, retryCount: 0 },
      action: { path: 'whisk.system', name: 'warmUp' },
      whiskActionMetaData: { exec: { kind: 'nodejs:20', binary: false }, limits: {} },
      ...{ rootSchedulerIndex: { asString: this.#options.id }, schedulerHost: '', rpcPort: 0 },
      creationId: randomUUID().replaceAll('-', ''),
    };
    void this.#options.bus.send(this.topics.invoker(invoker), JSON.stringify(message)).catch(() => undefined);
  }

  #invokerGone(key: string): void {
    for (const [id, invoker] of this.#invokers) if (invoker.key === key) this.#invokers.delete(id);
  }

  #keyPut(key: string, into: Map<string, ContainerKey>): ContainerKey | undefined {
    const read = readKey(key, this.#options.cluster, (problem) => this.#violation(problem));
    if (read !== undefined) into.set(key, read);
    return read;
  }

  #containerPut(key: string): void {
    const container = this.#keyPut(key, this.#containers);
    if (container === undefined) return;
    const earlier = this.#revisions.get(container.container);
    if (earlier !== undefined && earlier !== container.action) {
      this.#violation(`container ${container.container} is used for ${earlier} and ${container.action}`);
    }
    this.#revisions.set(container.container, container.action);
    this.#queues.get(container.action)?.memory.containers.add(container.container);
  }

  #containerGone(key: string): void {
    const container = this.#containers.get(key);
    this.#containers.delete(key);
    const id = key.slice(key.lastIndexOf('/') + 1);
    for (const { memory } of this.#queues.values()) memory.release(container?.container ?? id);
  }

  #fetch({ request, answer, isGone }: Fetch): void {
    const none = (type: string, field: string): void => answer(JSON.stringify({ [field]: type, type }));
    const pull = readPull(request, (problem) => this.#violation(`pull: ${problem}`));
    if (pull === undefined) return none('ActionMismatch', 'actionMisMatch');
    const key = `${pull.namespace} ${pull.fqn.path}/${pull.fqn.name} ${pull.revision}`;
    const queue = this.#queues.get(key);
    if (queue === undefined) {
      const isOther = [...this.#queues.keys()].some((other) =>
        other.startsWith(key.slice(0, key.lastIndexOf(' ') + 1)),
      );
      return isOther ? none('ActionMismatch', 'actionMisMatch') : none('NoMemoryQueue', 'noMemoryQueue');
    }
    if (JSON.stringify(pull.fqn) !== JSON.stringify(queue.fqn)) {
      this.#violation(`pull of ${JSON.stringify(pull.fqn)} from the queue of ${JSON.stringify(queue.fqn)}`);
      return none('ActionMismatch', 'actionMisMatch');
    }
    const nothing = (): void => none('NoActivationMessage', 'noActivationMessage');
    if (!pull.alive) {
      queue.memory.release(pull.container);
      return nothing();
    }
    const waiting: WaitingPull = {
      container: pull.container,
      warmed: pull.warmed,
      answer: (message) => {
        clearTimeout(timer);
        if (message === undefined) nothing();
        else answer(message);
      },
      gone: isGone,
    };
    const timer = setTimeout(() => queue.memory.giveUp(waiting), PULL_MS);
    queue.memory.pull(waiting, pull.lastDurationMs);
  }

  #violation(text: string): void {
    this.#options.onViolation(text);
  }
}
