/**
 * The sharding front end: to the controllers, this load balancer is one or several very large invokers.
 *
 * - `P+invoker<i>` exists before the first ping of `i`, because a controller sends its health test at once.
 * - Pings go out once a second, ids ascending, each with its final userMemory: a controller sizes its books at first
 *   sight and never again.
 * - With nothing usable behind, a few pings say `isEnabled: false` (offline at once in 2.x) and then none go out
 *   (offline after 10 s in 1.0, which does not know the field), so that controllers answer 503.
 */
import type { InvokerInstanceId, Subscription, TopicSettings } from '@tetris/common';
import type { Arrival, FleetState, FrontEnd, FrontEndParts } from '../front-end';
import { readOrDrop } from '../unreadable';
import type { VirtualInvokerNames } from './answers';
import { readArrival } from './arrival';
import { virtualInvokerId } from './translate';

export interface VirtualInvokerOptions extends VirtualInvokerNames {
  /** Virtual ids of this process, ascending. */
  instances: readonly number[];
  /** Activations of one id being handed on or waiting. */
  capacity: number;
  settings: TopicSettings;
}

const DISABLED_PINGS = 3;

export class VirtualInvokers implements FrontEnd {
  readonly #parts: FrontEndParts;
  readonly #options: VirtualInvokerOptions;
  #subscriptions: Subscription[] = [];
  /** Pings still to be sent with `isEnabled: false`; none before the first usable moment. */
  #disabledPings = 0;
  #closed = false;

  constructor(parts: FrontEndParts, options: VirtualInvokerOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  async start(accept: (arrival: Arrival) => Promise<void>): Promise<void> {
    const { bus, topics } = this.#parts;
    const { instances, settings, capacity } = this.#options;
    for (const instance of instances) {
      const topic = topics.invoker(instance);
      await bus.ensureTopic(topic, settings);
      const handler = async ({ value }: { value: Buffer }): Promise<void> => {
        const source = { kind: 'invoker', what: 'activation', from: topic } as const;
        const arrival = readOrDrop((text) => readArrival(text, instance), value, source, this.#parts);
        if (arrival !== undefined) await accept(arrival);
      };
      this.#subscriptions.push(await bus.subscribe({ topic, group: topic, capacity, handler }));
    }
  }

  async announce({ usable }: FleetState): Promise<void> {
    if (this.#closed) return;
    if (usable) this.#disabledPings = DISABLED_PINGS;
    else if (this.#disabledPings > 0) this.#disabledPings -= 1;
    else return;
    await this.#ping(usable);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#ping(false).catch((error: unknown) => this.#parts.log.warn({ err: error }, 'last ping failed'));
    await Promise.all(this.#subscriptions.map(async (subscription) => subscription.stop()));
  }

  async #ping(isEnabled: boolean): Promise<void> {
    const { bus, topics } = this.#parts;
    for (const instance of this.#options.instances) {
      await bus.send(topics.health, JSON.stringify({ name: this.#id(instance), isEnabled }));
    }
  }

  #id(instance: number): InvokerInstanceId {
    return virtualInvokerId(instance, this.#options.userMemoryBytes, this.#options.name);
  }
}
