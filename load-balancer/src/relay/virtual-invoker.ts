/**
 * The sharding front end: to the controllers, this load balancer is one or several very large invokers.
 *
 * - `P+invoker<i>` exists before the first ping of `i`, because a controller sends its health test at once.
 * - Pings go out once a second, ids ascending, each with its final userMemory: a controller sizes its books at first
 *   sight and never again.
 * - With nothing usable behind, a few pings say `isEnabled: false` (offline at once in 2.x) and then none go out
 *   (offline after 10 s in 1.0, which does not know the field), so that controllers answer 503.
 */
import {
  type Bus,
  type InvokerInstanceId,
  type Logger,
  type Subscription,
  type TopicSettings,
  type Topics,
  errorMessage,
} from '@tetris/common';
import type { Arrival, FleetState, FrontEnd } from '../front-end';
import type { BalancerMetrics } from '../metrics';
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
  readonly #bus: Bus;
  readonly #topics: Topics;
  readonly #options: VirtualInvokerOptions;
  readonly #metrics: BalancerMetrics;
  readonly #log: Logger;
  #subscriptions: Subscription[] = [];
  /** Pings still to be sent with `isEnabled: false`; none before the first usable moment. */
  #disabledPings = 0;
  #closed = false;

  constructor(
    parts: { bus: Bus; topics: Topics; metrics: BalancerMetrics; log: Logger },
    options: VirtualInvokerOptions,
  ) {
    this.#bus = parts.bus;
    this.#topics = parts.topics;
    this.#metrics = parts.metrics;
    this.#log = parts.log;
    this.#options = options;
  }

  async start(accept: (arrival: Arrival) => Promise<void>): Promise<void> {
    const { instances, settings, capacity } = this.#options;
    for (const instance of instances) {
      const topic = this.#topics.invoker(instance);
      await this.#bus.ensureTopic(topic, settings);
      const handler = async ({ value }: { value: Buffer }): Promise<void> => {
        const arrival = this.#read(value, instance, topic);
        if (arrival !== undefined) await accept(arrival);
      };
      this.#subscriptions.push(await this.#bus.subscribe({ topic, group: topic, capacity, handler }));
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
    await this.#ping(false).catch((error: unknown) => this.#log.warn({ err: error }, 'last ping failed'));
    await Promise.all(this.#subscriptions.map(async (subscription) => subscription.stop()));
  }

  #read(value: Buffer, instance: number, topic: string): Arrival | undefined {
    try {
      return readArrival(value, instance);
    } catch (error) {
      // Without its fields there is nobody to answer to; stock drops it as well and leaves it to the controller's
      // timer.
      this.#metrics.invalid.inc({ topic: 'invoker' });
      this.#log.error({ topic, bytes: value.length, reason: errorMessage(error) }, 'unreadable activation dropped');
      return undefined;
    }
  }

  async #ping(isEnabled: boolean): Promise<void> {
    for (const instance of this.#options.instances) {
      await this.#bus.send(this.#topics.health, JSON.stringify({ name: this.#id(instance), isEnabled }));
    }
  }

  #id(instance: number): InvokerInstanceId {
    return virtualInvokerId(instance, this.#options.userMemoryBytes, this.#options.name);
  }
}
