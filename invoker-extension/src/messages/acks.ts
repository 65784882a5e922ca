/** Acks of one invoker. Source: facts of OpenWhisk 2.4, 2.5, 4.3; `C/core/ack/MessagingActiveAck.scala`. */
import {
  type Ack,
  type Activation,
  type ActivationMessage,
  type Backoff,
  type Bus,
  combinedMessage,
  completionMessage,
  errorMessage,
  type InvokerInstanceId,
  isPluginError,
  type Logger,
  resultMessage,
  retry,
  shrink,
  STATUS,
  type Topics,
} from '@tetris/common';
import { logFields } from './job';

export interface AckOptions {
  bus: Bus;
  topics: Topics;
  instance: InvokerInstanceId;
  log: Logger;
  /** Attempts to send one ack while the bus is away. */
  attemptsMax: number;
  backoff: Backoff;
  /** Called for an ack that was given up. */
  onLost?: () => void;
}

/** Sends acks; never rejects. `transid` is echoed as it came. */
export class AckSender {
  readonly #options: AckOptions;

  constructor(options: AckOptions) {
    this.#options = options;
  }

  /** Result available, slot still held. For blocking activations only. */
  async result(message: ActivationMessage, activation: Activation): Promise<void> {
    await this.#send(message, resultMessage(message.transid, activation));
  }

  /** Slot free. */
  async completion(message: ActivationMessage, activation: Activation): Promise<void> {
    const isSystemError = activation.response.statusCode === STATUS.whiskError;
    const { transid, activationId } = message;
    await this.#send(message, completionMessage(transid, activationId, isSystemError, this.#options.instance));
  }

  /** Both at once; without the result where nobody awaits it. */
  async combined(message: ActivationMessage, activation: Activation, isSystemError?: boolean): Promise<void> {
    const ack = combinedMessage(message.transid, activation, this.#options.instance, isSystemError);
    await this.#send(message, message.blocking ? ack : shrink(ack));
  }

  async #send(message: ActivationMessage, ack: Ack): Promise<void> {
    const { bus, topics, log, attemptsMax, backoff, onLost } = this.#options;
    const topic = topics.completed(message.rootControllerIndex.asString);
    const send = async (value: Ack): Promise<void> => {
      await retry(() => bus.send(topic, JSON.stringify(value)), { backoff, attemptsMax });
    };
    const small = shrink(ack);
    try {
      await send(ack).catch((error: unknown) => {
        if (!isPluginError(error, 'ERR_MESSAGE_TOO_LARGE') || small === ack) throw error;
        return send(small);
      });
    } catch (error) {
      log.error({ ...logFields(message), topic, reason: errorMessage(error) }, 'ack lost');
      onLost?.();
    }
  }
}
