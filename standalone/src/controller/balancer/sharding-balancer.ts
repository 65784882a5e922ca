import {
  type Ack,
  ackedActivationId,
  type ActivationMessage,
  type Bus,
  errorMessage,
  freesSlot,
  fullyQualifiedName,
  type Logger,
  PluginError,
  readAck,
  readPing,
  type Subscription,
  TOPIC_SETTINGS,
  type Topics,
  type TransactionId,
} from '@tetris/common';
import { controllerDeadlineMs, type DeadlineRules, type Fractions } from '@tetris/load-balancer';
import { LRUCache } from 'lru-cache';
import { healthIdentity, healthTest, healthTransid } from './health-test';
import { InvokerPool, type PermitBook } from './invoker-pool';
import { type AckedResult, type Freed, Ledger } from './ledger';
import { type InvokerState, STATE_WORDS } from './supervision';
import type { OnViolation, Violation } from './violation';

export interface ShardingBalancerOptions extends Partial<DeadlineRules> {
  bus: Bus;
  /** The controllers' topics (prefix P). */
  topics: Topics;
  /** This controller's id: names its `completed` topic. */
  controller: string;
  log: Logger;
  onViolation?: OnViolation;
  /** Told of each activation that is sent. */
  onSent?: (message: ActivationMessage) => void;
  /** @default 1 */
  clusterSize?: number;
  /** `whisk.memory.min`, MB. @default 128 */
  memoryMinMb?: number;
  /** @default 0.9 managed, 0.1 blackbox */
  fractions?: Fractions;
  /** Uniform in [0, 1). @default Math.random */
  random?: () => number;
  /** Epoch ms. @default Date.now */
  now?: () => number;
}

/** An activation to be sent, with what its action's document says. */
export interface Dispatch {
  message: ActivationMessage;
  /** Of the action: ms, MB, activations at once in one container. */
  limits: { timeout: number; memory: number; concurrency: number };
  /** False for blackbox actions. @default true */
  managed?: boolean;
}

/** An activation that was sent. */
export interface Sent {
  activationId: string;
  invoker: number;
  /**
   * Resolves with the first result ack; rejects with `ERR_DEADLINE` when the controller gives up. Never before that.
   */
  result: Promise<AckedResult>;
  /** Resolves when the slot is free. An invoker stores the record before it says so. */
  freed: Promise<void>;
}

/** What must be zero again when nothing runs. */
export interface Books {
  inFlight: number;
  invokers: PermitBook[];
}

/** Acks and pings taken at once. Source: facts of `MessageFeed`. */
const FEED_CAPACITY = 128;
const TICK_MS = 1_000;
/** Health tests remembered, to tell a second answer from a first. */
const TESTS_KEPT = 1_000;

/**
 * The controller's side of the sharding protocol over a {@link Bus}: supervision by pings and health tests, choice by
 * home invoker and permits, acks, forced completion. It behaves as a stock controller does, and tells beside that
 * every {@link Violation} a stock controller would suffer in silence.
 *
 * Source: `K/loadBalancer/{CommonLoadBalancer,ShardingContainerPoolBalancer,InvokerSupervision}.scala`.
 */
export class ShardingBalancer {
  readonly #options: Required<ShardingBalancerOptions>;
  readonly #pool: InvokerPool;
  readonly #ledger: Ledger;
  readonly #healthTransid: TransactionId;
  readonly #healthUser = healthIdentity();
  /** Health tests sent: true once answered. */
  readonly #tests = new LRUCache<string, boolean>({ max: TESTS_KEPT });
  #subscriptions: Subscription[] = [];
  #ticker: NodeJS.Timeout | undefined;

  constructor(options: ShardingBalancerOptions) {
    const onViolation = (violation: Violation): void => {
      options.log.warn({ ...violation }, 'protocol violation');
      options.onViolation?.(violation);
    };
    this.#options = {
      clusterSize: 1,
      memoryMinMb: 128,
      fractions: { managedFraction: 0.9, blackboxFraction: 0.1 },
      timeLimitStdMs: 60_000,
      timeoutFactor: 2,
      timeoutAddonMs: 60_000,
      random: Math.random,
      now: Date.now,
      onSent: () => undefined,
      ...options,
      onViolation,
    };
    this.#ledger = new Ledger(onViolation);
    this.#pool = new InvokerPool({ ...this.#options, onTest: (invoker) => void this.#sendTest(invoker) });
    this.#healthTransid = healthTransid(this.#options.now());
  }

  /** Creates its topics and begins to listen. */
  async start(): Promise<void> {
    const { bus, topics, controller, now } = this.#options;
    const completed = topics.completed(controller);
    await bus.ensureTopic(completed, TOPIC_SETTINGS.completed);
    await bus.ensureTopic(topics.health, TOPIC_SETTINGS.health);
    const feed = { capacity: FEED_CAPACITY };
    this.#subscriptions = [
      await bus.subscribe({ ...feed, topic: completed, group: completed, handler: ({ value }) => this.#onAck(value) }),
      await bus.subscribe({
        ...feed,
        topic: topics.health,
        group: `${topics.health}${controller}`,
        from: 'latest',
        handler: ({ value }) => this.#onPing(value),
      }),
    ];
    this.#ticker = setInterval(() => this.tick(now()), TICK_MS);
  }

  /** Stops listening; what is in flight stays unanswered. */
  async stop(): Promise<void> {
    clearInterval(this.#ticker);
    await Promise.all(this.#subscriptions.map((subscription) => subscription.stop()));
  }

  /**
   * Chooses an invoker and sends the activation to it.
   * @throws PluginError `ERR_NO_CAPACITY` where no invoker is healthy, `ERR_MESSAGE_TOO_LARGE`, `ERR_BUS_UNAVAILABLE`
   */
  async publish({ message, limits, managed = true }: Dispatch): Promise<Sent> {
    const { activationId, user, transid } = message;
    const name = fullyQualifiedName(message.action);
    const version = 'version' in message.action ? message.action.version : undefined;
    const claim = {
      action: `${name}@${version ?? ''}`,
      concurrency: limits.concurrency,
      memoryMb: limits.memory,
    };
    const invoker = this.#pool.acquire(user.namespace.name, name, managed, claim);
    if (invoker === undefined) throw new PluginError('ERR_NO_CAPACITY', 'no invoker is available', { retriable: true });
    let onFreed = (): void => undefined;
    const freed = new Promise<void>((resolve) => {
      onFreed = resolve;
    });
    const result = new Promise<AckedResult>((resolve, reject) => {
      const onForced = (): void => reject(new PluginError('ERR_DEADLINE', `invoker${invoker} never answered`));
      const deadlineMs = controllerDeadlineMs(this.#options, limits.timeout, this.#options.now());
      const namespace = user.namespace.name;
      const effects = { onResult: resolve, onForced, onFreed };
      this.#ledger.add({ activationId, transid, namespace, invoker, claim, deadlineMs, ...effects });
    });
    result.catch(() => undefined); // Nobody waits for non-blocking ones.
    this.#options.onSent(message);
    try {
      await this.#options.bus.send(this.#options.topics.invoker(invoker), JSON.stringify(message));
    } catch (error) {
      this.#ledger.withdraw(activationId);
      this.#pool.release(invoker, claim, activationId);
      throw error;
    }
    return { activationId, invoker, result, freed };
  }

  /** Runs what time makes due: silent invokers, health tests, forced completions. Called once a second after start. */
  tick(nowMs: number): void {
    this.#pool.tick(nowMs);
    for (const freed of this.#ledger.expire(nowMs)) this.#settle(freed);
  }

  /** Activations in flight of a namespace. */
  countOf(namespace: string): number {
    return this.#ledger.countOf(namespace);
  }

  books(): Books {
    return { inFlight: this.#ledger.size, invokers: this.#pool.books() };
  }

  /** As `GET /invokers` shows them: name to word. */
  invokers(): Record<string, string> {
    return Object.fromEntries(this.#pool.states().map(([name, state]) => [name, STATE_WORDS[state]]));
  }

  states(): InvokerState[] {
    return this.#pool.states().map(([, state]) => state);
  }

  #onPing(value: Buffer): void {
    try {
      this.#pool.ping(readPing(value), this.#options.now());
    } catch (error) {
      this.#options.onViolation({ kind: 'malformed-ping', text: errorMessage(error) });
    }
  }

  #onAck(value: Buffer): void {
    let ack: Ack;
    try {
      ack = readAck(value);
    } catch (error) {
      this.#options.onViolation({ kind: 'malformed-ack', text: errorMessage(error) });
      return;
    }
    if (this.#tests.has(ackedActivationId(ack))) {
      this.#onTestAnswer(ack);
      return;
    }
    const freed = this.#ledger.acknowledge(ack);
    if (freed !== undefined) this.#settle(freed);
  }

  /** A stock controller knows a health test's answer by its transid alone. */
  #onTestAnswer(ack: Ack): void {
    if (!freesSlot(ack)) return;
    const activationId = ackedActivationId(ack);
    const violation = (kind: Violation['kind'], text: string): void =>
      this.#options.onViolation({ kind, text, activationId });
    if (JSON.stringify(ack.transid) !== JSON.stringify(this.#healthTransid)) {
      violation('transid-changed', `health test answered with ${JSON.stringify(ack.transid)}`);
      return;
    }
    if (this.#tests.get(activationId) === true) violation('second-completion', 'health test answered twice');
    this.#tests.set(activationId, true);
    if (ack.instance == null || !('instance' in ack.instance)) {
      violation('wrong-instance', `health test answered by ${JSON.stringify(ack.instance)}`);
      return;
    }
    const outcome = ack.isSystemError === true ? 'system-error' : 'success';
    this.#pool.completion(Number(ack.instance.instance), outcome, this.#options.now());
  }

  #settle({ entry, invoker, outcome }: Freed): void {
    this.#pool.release(invoker, entry.claim, entry.activationId);
    this.#pool.completion(invoker, outcome, this.#options.now());
  }

  async #sendTest(invoker: number): Promise<void> {
    const { bus, topics, controller, log } = this.#options;
    const test = healthTest(controller, this.#healthTransid, this.#healthUser);
    this.#tests.set(test.activationId, false);
    try {
      await bus.send(topics.invoker(invoker), JSON.stringify(test));
    } catch (error) {
      log.warn({ err: error, invoker }, 'health test was not sent');
    }
  }
}
