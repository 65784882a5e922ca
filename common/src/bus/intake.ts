import type { Logger } from '../log';
import type { BusMessage, SubscribeOptions } from './bus';

interface Waiting {
  message: BusMessage;
  settled: () => void;
}

/**
 * Hands messages to a handler, at most `capacity` at once. Up to as many again may wait in here, as in the stock
 * message feed: their position is committed already, so they are handed out even after reading has stopped. Source:
 * `C/core/connector/MessageConsumer.scala` MessageFeed.
 */
export class Intake {
  readonly #options: Pick<SubscribeOptions, 'capacity' | 'handler'>;
  readonly #log: Logger;
  #waiting: Waiting[] = [];
  #inFlight = 0;
  #onRoom: (() => void)[] = [];
  #onIdle: (() => void)[] = [];

  constructor(options: Pick<SubscribeOptions, 'capacity' | 'handler'>, log: Logger) {
    this.#options = options;
    this.#log = log;
  }

  /** May another `capacity` messages be read? */
  get hasRoom(): boolean {
    return this.#waiting.length === 0;
  }

  /** Resolves when nothing waits, or after `timeoutMs`. */
  async room(timeoutMs: number): Promise<void> {
    if (this.hasRoom) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
      this.#onRoom.push(resolve);
    });
    clearTimeout(timer);
  }

  /** @param settled called when the handler is done, however it ended */
  accept(message: BusMessage, settled: () => void): void {
    this.#waiting.push({ message, settled });
    this.#pump();
  }

  /** Resolves when every accepted message has settled. */
  async idle(): Promise<void> {
    if (this.#inFlight > 0 || !this.hasRoom) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #pump(): void {
    while (this.#inFlight < this.#options.capacity) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      this.#handle(next);
    }
    if (this.hasRoom) for (const resolve of this.#onRoom.splice(0)) resolve();
  }

  #handle({ message, settled }: Waiting): void {
    this.#inFlight += 1;
    Promise.resolve()
      .then(() => this.#options.handler(message))
      .catch((error: unknown) => this.#log.error({ topic: message.topic, err: error }, 'message handler failed'))
      .finally(() => {
        this.#inFlight -= 1;
        settled();
        this.#pump();
        if (this.#inFlight === 0 && this.hasRoom) for (const resolve of this.#onIdle.splice(0)) resolve();
      });
  }
}
