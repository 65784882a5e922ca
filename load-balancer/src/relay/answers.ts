/** Answers on their way to the controllers, which hear of them by `P+completed<controller>` in every mode. */
import {
  type Ack,
  type Activation,
  type Bus,
  combinedMessage,
  type InFlight,
  isHealthTestName,
  isPluginError,
  retry,
  shrink,
  type Topics,
} from '@tetris/common';
import { SEND_BACKOFF } from '../dispatch/sending';
import type { Answers, ReceivedAck } from '../front-end';
import { translateAck, translateShrunkAck, virtualInvokerId } from './translate';

export interface VirtualInvokerNames {
  /** Promised to the controllers for each id, bytes. */
  userMemoryBytes: number;
  /** Prefix of the name shown in `GET /invokers`. */
  name: string;
}

export class ControllerAnswers implements Answers {
  readonly #bus: Bus;
  readonly #topics: Topics;
  readonly #now: () => number;
  readonly #names: VirtualInvokerNames;

  constructor(parts: { bus: Bus; topics: Topics; now: () => number }, names: VirtualInvokerNames) {
    this.#bus = parts.bus;
    this.#topics = parts.topics;
    this.#now = parts.now;
    this.#names = names;
  }

  async deliver(entry: InFlight, ack: ReceivedAck): Promise<void> {
    const instance = this.#idOf(entry);
    const healthTest = isHealthTestName(entry.action);
    await this.#send(
      entry,
      () => translateAck(ack, instance, healthTest),
      () => translateShrunkAck(ack, instance, healthTest),
    );
  }

  async fail(entry: InFlight, activation: Activation): Promise<void> {
    const whole: Ack = {
      ...combinedMessage(entry.transid, activation, this.#idOf(entry)),
      isSystemError: isHealthTestName(entry.action),
    };
    const ack = entry.blocking ? whole : shrink(whole);
    await this.#send(
      entry,
      () => JSON.stringify(ack),
      () => JSON.stringify(shrink(whole)),
    );
  }

  async #send(entry: InFlight, whole: () => string, shrunk: () => string): Promise<void> {
    const topic = this.#topics.completed(entry.controller);
    const offer = async (value: string): Promise<void> => {
      const until = { backoff: SEND_BACKOFF, untilMs: entry.deadlineMs, now: this.#now };
      await retry(() => this.#bus.send(topic, value), until);
    };
    try {
      await offer(whole());
    } catch (error) {
      if (!isPluginError(error, 'ERR_MESSAGE_TOO_LARGE')) throw error;
      await offer(shrunk());
    }
  }

  /** The id by which the activation came in, which after a restart need not be one of ours any more. */
  #idOf({ virtualInvoker }: InFlight): ReturnType<typeof virtualInvokerId> {
    return virtualInvokerId(virtualInvoker, this.#names.userMemoryBytes, this.#names.name);
  }
}
