/** An invoker extension over a memory bus, and what came out of it. */
import {
  type Ack,
  type Action,
  type Activation,
  ackType,
  createLogger,
  MemoryBus,
  MemoryRegistry,
  PluginError,
  readAck,
  readConfig,
} from '@tetris/common';
import { type ContainerFactory, InvokerExtension, invokerConfig, type InvokerParts } from '@tetris/invoker-extension';
import { until } from './until';

export interface BenchOptions {
  factory: ContainerFactory;
  /** By `namespace/name`. */
  actions?: Action[];
  config?: Record<string, unknown>;
  /** Replaces parts. */
  parts?: Partial<InvokerParts>;
}

export class InvokerBench {
  readonly bus = new MemoryBus(createLogger('test', 'silent'));
  readonly registry = new MemoryRegistry();
  readonly acks: Ack[] = [];
  readonly records: Activation[] = [];
  readonly pings: { name: { instance: number }; isEnabled?: boolean }[] = [];
  readonly events: unknown[] = [];
  readonly actions = new Map<string, Action>();
  readonly extension: InvokerExtension;

  constructor({ factory, actions = [], config = {}, parts = {} }: BenchOptions) {
    for (const action of actions) this.actions.set(`${action.namespace}/${action.name}`, action);
    const overrides = {
      topicPrefix: 'none',
      logLevel: 'silent',
      tickMs: 10,
      measureMs: 100,
      node: 'node0',
      logWaitMs: 50,
      ...config,
    };
    this.extension = new InvokerExtension({
      config: readConfig(invokerConfig, {}, overrides),
      bus: this.bus,
      entities: this.#entities() as InvokerParts['entities'],
      registry: this.registry,
      factory,
      log: createLogger('test', 'silent'),
      ...parts,
    });
  }

  async start(): Promise<this> {
    const listen = (topic: string, into: (value: string) => void): Promise<unknown> =>
      this.bus.subscribe({ topic, group: 'test', capacity: 1000, handler: ({ value }) => into(value.toString()) });
    await listen('completed0', (value) => this.acks.push(readAck(value)));
    await listen('health', (value) => this.pings.push(JSON.parse(value)));
    await listen('events', (value) => this.events.push(JSON.parse(value)));
    await this.extension.start();
    return this;
  }

  async send(...messages: unknown[]): Promise<void> {
    for (const message of messages) {
      await this.bus.send('invoker0', typeof message === 'string' ? message : JSON.stringify(message));
    }
  }

  /** Types of the acks so far, in order. */
  types(): string[] {
    return this.acks.map((ack) => ackType(ack));
  }

  /** Waits for so many freed slots. */
  async freed(count: number, timeoutMs?: number): Promise<void> {
    const free = (): number => this.acks.filter((ack) => ackType(ack) !== 'result').length;
    await until(() => free() >= count, `${count} freed slots, have ${free()}`, timeoutMs);
  }

  #entities(): Pick<InvokerParts['entities'], 'getAction' | 'getDocument' | 'putActivation' | 'flush'> {
    return {
      getAction: async (id) => {
        const action = this.actions.get(id);
        if (action === undefined) throw new PluginError('ERR_DOCUMENT_NOT_FOUND', `no document ${id}`);
        return action;
      },
      getDocument: async () => undefined,
      putActivation: (activation) => void this.records.push(activation),
      flush: async () => undefined,
    };
  }
}
