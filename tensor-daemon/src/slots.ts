import { PluginError } from '@tetris/common';

/** A bounded number of jobs at a time, and a bounded queue before them, first come first served. */
export class Slots {
  readonly #max: number;
  readonly #queueMax: number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(max: number, queueMax: number) {
    this.#max = max;
    this.#queueMax = queueMax;
  }

  /** Runs a job when a slot is free. @throws PluginError `ERR_QUEUE_FULL` (retriable) where the queue is full */
  async run<T>(job: () => Promise<T>): Promise<T> {
    if (this.#taken < this.#max) {
      this.#taken++;
    } else {
      if (this.#waiting.length >= this.#queueMax) {
        throw new PluginError('ERR_QUEUE_FULL', `${this.#queueMax} jobs wait already`, { retriable: true });
      }
      // The slot is handed over, not freed and taken again.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return await job();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#taken--;
      else next();
    }
  }
}
