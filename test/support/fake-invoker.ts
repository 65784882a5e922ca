/** An invoker that speaks the stock protocol over a {@link Bus} and does what the test says instead of running code. */
import {
  type Ack,
  type Activation,
  type ActivationMessage,
  type Bus,
  combinedMessage,
  completionMessage,
  type EntityStore,
  freesSlot,
  invokerInstanceId,
  isHealthTest,
  readActivationMessage,
  resultMessage,
  shrink,
  type Subscription,
  TOPIC_SETTINGS,
  type Topics,
} from '@tetris/common';

/** What becomes of an activation. `silent`: no ack at all. */
export interface Behaviour {
  statusCode?: number;
  result?: unknown;
  delayMs?: number;
  silent?: boolean;
  /** Send the activation's id in place of the record. */
  shrunk?: boolean;
  /** The record is stored, and the slot freed, this much later than the result is sent. */
  completionDelayMs?: number;
  /** ResultMessage and CompletionMessage in place of one combined ack. */
  separate?: boolean;
  /** Changes each ack before it is sent. */
  alter?: (ack: Ack) => Ack;
}

export interface FakeInvokerOptions {
  bus: Bus;
  topics: Topics;
  instance: number;
  /** @default 1024 */
  memoryMb?: number;
  store?: EntityStore;
  behave?: (message: ActivationMessage) => Behaviour;
}

export class FakeInvoker {
  readonly received: ActivationMessage[] = [];
  answersHealthTests = true;
  readonly #options: FakeInvokerOptions;
  readonly #id;
  #subscription: Subscription | undefined;

  constructor(options: FakeInvokerOptions) {
    this.#options = options;
    this.#id = invokerInstanceId(options.instance, (options.memoryMb ?? 1024) * 1024 ** 2, 'fake');
  }

  async start(): Promise<void> {
    const { bus, topics, instance } = this.#options;
    const topic = topics.invoker(instance);
    await bus.ensureTopic(topic, TOPIC_SETTINGS.invoker);
    const handler = ({ value }: { value: Buffer }): Promise<void> => this.#run(readActivationMessage(value));
    this.#subscription = await bus.subscribe({ topic, group: topic, capacity: 1000, handler });
    await this.ping();
  }

  async stop(): Promise<void> {
    await this.#subscription?.stop();
  }

  async ping(isEnabled = true): Promise<void> {
    const { bus, topics } = this.#options;
    await bus.send(topics.health, JSON.stringify({ name: this.#id, isEnabled }));
  }

  async #run(message: ActivationMessage): Promise<void> {
    if (isHealthTest(message.action)) {
      if (!this.answersHealthTests) return;
      await this.#ack(message, completionMessage(message.transid, message.activationId, false, this.#id));
      return;
    }
    this.received.push(message);
    const behaviour = this.#options.behave?.(message) ?? {};
    if (behaviour.delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, behaviour.delayMs));
    if (behaviour.silent === true) return;
    const record = recordOf(message, behaviour);
    if (behaviour.completionDelayMs === undefined) this.#options.store?.putActivation(record);
    for (const ack of this.#acks(message, record, behaviour)) {
      if (freesSlot(ack) && behaviour.completionDelayMs !== undefined) {
        await new Promise((resolve) => setTimeout(resolve, behaviour.completionDelayMs).unref());
        this.#options.store?.putActivation(record);
      }
      await this.#ack(message, behaviour.alter?.(ack) ?? ack);
    }
  }

  #acks({ transid, activationId, blocking }: ActivationMessage, record: Activation, behaviour: Behaviour): Ack[] {
    const completion = completionMessage(transid, activationId, record.response.statusCode === 3, this.#id);
    if (!blocking) return [completion];
    if (behaviour.separate === true || behaviour.completionDelayMs !== undefined)
      return [resultMessage(transid, { ...record, logs: [] }), completion];
    const combined = combinedMessage(transid, { ...record, logs: [] }, this.#id);
    return [behaviour.shrunk === true ? shrink(combined) : combined];
  }

  async #ack({ rootControllerIndex }: ActivationMessage, ack: Ack): Promise<void> {
    const { bus, topics } = this.#options;
    await bus.send(topics.completed(rootControllerIndex.asString), JSON.stringify(ack));
  }
}

function recordOf(message: ActivationMessage, { statusCode = 0, result }: Behaviour): Activation {
  const { action } = message;
  const nowMs = Date.now();
  return {
    namespace: message.user.namespace.name,
    name: action.name,
    subject: message.user.subject,
    activationId: message.activationId,
    start: nowMs,
    end: nowMs + 5,
    duration: 5,
    response: { statusCode, result: result === undefined ? message.content : result, size: 10 },
    logs: ['2026-01-01T00:00:00.250000000Z stdout: hello'],
    version: ('version' in action ? action.version : undefined) ?? '0.0.1',
    publish: false,
    annotations: [
      { key: 'path', value: `${action.path}/${action.name}` },
      { key: 'kind', value: 'nodejs:20' },
    ],
  };
}
