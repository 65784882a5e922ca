import { PluginError } from '@tetris/common';

/** Lets a bounded number of tasks run at once, and a bounded number wait, first come first served. */
export class Gate {
  readonly #parallelMax: number;
  readonly #waitingMax: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(parallelMax: number, waitingMax: number) {
    this.#parallelMax = parallelMax;
    this.#waitingMax = waitingMax;
  }

  /** @throws PluginError `ERR_QUEUE_FULL` (retriable) when too many wait already */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#running < this.#parallelMax) this.#running += 1;
    else await this.#turn();
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      // The place goes on to the next one without being given up.
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.length >= this.#waitingMax) {
      const text = `${this.#waiting.length} tasks wait already`;
      return Promise.reject(new PluginError('ERR_QUEUE_FULL', text, { retriable: true }));
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
