/**
 * What an invoker owes once an activation's response is known: acks, record, event. Source: facts of OpenWhisk 4.1,
 * 4.3.
 */
import {
  type Activation,
  activationEvent,
  type ActivationMessage,
  type ActivationResponse,
  type Bus,
  type EntityStore,
  errorMessage,
  type Logger,
} from '@tetris/common';
import type { CollectedLogs } from './logs';
import type { AckSender } from './acks';
import { logFields } from './job';
import { failedRecord } from './record';
import { isStored, type StoreLevels } from './store-policy';

export interface AnswererOptions {
  acks: AckSender;
  entities: Pick<EntityStore, 'putActivation'>;
  levels: StoreLevels;
  log: Logger;
  nowMs: () => number;
  /** Where events go; undefined: no events. `source` is `invoker<N>`. */
  events?: { bus: Bus; topic: string; source: string } | undefined;
}

export class Answerer {
  readonly #options: AnswererOptions;

  constructor(options: AnswererOptions) {
    this.#options = options;
  }

  /** An activation that never reached a container: one ack for both, and the record. */
  async failed(message: ActivationMessage, response: ActivationResponse): Promise<void> {
    await this.#notRun(message, response);
  }

  /**
   * As {@link failed}, where the invoker is well and only full: a controller must not put it out of service for that.
   */
  async refused(message: ActivationMessage, response: ActivationResponse): Promise<void> {
    await this.#notRun(message, response, false);
  }

  /** A blacklisted namespace: an ack that keeps the controller's books level, nothing else. */
  async ignored(message: ActivationMessage, response: ActivationResponse): Promise<void> {
    await this.#options.acks.combined(message, failedRecord(message, response, this.#options.nowMs()));
  }

  /** A health test whose action is missing: the invoker itself is well. */
  async healthy(message: ActivationMessage): Promise<void> {
    const activation = failedRecord(message, { statusCode: 0, result: {} }, this.#options.nowMs());
    await this.#options.acks.completion(message, activation);
  }

  /**
   * An activation that ran. The four cases of 4.3: with logs to collect, a blocking one gets its result at once and
   * its completion after them. Resolves when the slot is free; gives false where the logs did not end.
   * @param logs undefined where there is nothing to collect
   */
  async ran(
    message: ActivationMessage,
    activation: Activation,
    logs: Promise<CollectedLogs> | undefined,
  ): Promise<boolean> {
    const { acks } = this.#options;
    if (logs === undefined) {
      this.#store(message, activation);
      await (message.blocking ? acks.combined(message, activation) : acks.completion(message, activation));
      await this.#event(message, activation);
      return true;
    }
    const result = message.blocking ? acks.result(message, activation) : undefined;
    const { lines, complete } = await logs;
    this.#store(message, { ...activation, logs: lines });
    await result;
    await acks.completion(message, activation);
    await this.#event(message, activation);
    return complete;
  }

  async #notRun(message: ActivationMessage, response: ActivationResponse, isSystemError?: boolean): Promise<void> {
    const activation = failedRecord(message, response, this.#options.nowMs());
    this.#store(message, activation);
    await this.#options.acks.combined(message, activation, isSystemError);
    await this.#event(message, activation);
  }

  #store(message: ActivationMessage, activation: Activation): void {
    const { entities, levels } = this.#options;
    if (isStored(message, activation, levels)) entities.putActivation(activation);
  }

  async #event(message: ActivationMessage, activation: Activation): Promise<void> {
    const { events, nowMs, log } = this.#options;
    if (events === undefined) return;
    const event = activationEvent(activation, events.source, message.user.namespace.uuid, nowMs());
    if (event === undefined) return;
    try {
      await events.bus.send(events.topic, JSON.stringify(event));
    } catch (error) {
      log.warn({ ...logFields(message), reason: errorMessage(error) }, 'event lost');
    }
  }
}
