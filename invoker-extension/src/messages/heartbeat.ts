/** Liveness towards controllers and load balancers. Source: facts of OpenWhisk 2.3, 3.1, 4.8. */
import {
  type Bus,
  errorMessage,
  type InvokerInstanceId,
  type Logger,
  TOPIC_SETTINGS,
  type Topics,
} from '@tetris/common';

export interface HeartbeatOptions {
  bus: Bus;
  topics: Topics;
  instance: InvokerInstanceId;
  log: Logger;
  /** Stock: 1000. Controllers take 10 s of silence for death. */
  intervalMs: number;
}

/** Pings `health`. A disabled invoker says so once and is silent. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  get enabled(): boolean {
    return this.#timer !== undefined;
  }

  /** To be done before the first ping, which a health test answers at once. */
  async createTopics(): Promise<void> {
    const { bus, topics, instance } = this.#options;
    await bus.ensureTopic(topics.invoker(instance.instance), TOPIC_SETTINGS.invoker);
    await bus.ensureTopic(topics.health, TOPIC_SETTINGS.health);
  }

  enable(): void {
    if (this.#timer !== undefined) return;
    void this.#ping();
    this.#timer = setInterval(() => void this.#ping(), this.#options.intervalMs).unref();
  }

  /** Takes this invoker out of service; what it has is finished. */
  async disable(): Promise<void> {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#ping(false);
  }

  async #ping(isEnabled = true): Promise<void> {
    const { bus, topics, instance, log } = this.#options;
    try {
      await bus.send(topics.health, JSON.stringify({ name: instance, isEnabled }));
    } catch (error) {
      log.warn({ reason: errorMessage(error) }, 'ping not sent');
    }
  }
}
