import { PluginError } from '../errors';

/** A bounded number of jobs at once and a bounded queue before them, first come first served. */
export class Semaphore {
  readonly #runningMax: number;
  readonly #waitingMax: number;
  /** In order of arrival; each is called with the place of one that has ended. */
  readonly #waiting = new Set<() => void>();
  #running = 0;

  /**
   * @param runningMax jobs at once
   * @param waitingMax jobs waiting for their turn
   */
  constructor(runningMax: number, waitingMax: number) {
    this.#runningMax = runningMax;
    this.#waitingMax = waitingMax;
  }

  /** Jobs that have not begun. */
  get waiting(): number {
    return this.#waiting.size;
  }

  get running(): number {
    return this.#running;
  }

  /**
   * Runs a job when its turn comes.
   *
   * @param signal ends the wait, and gives the place in the queue up; a job that runs has to heed it itself
   * @throws PluginError `ERR_QUEUE_FULL` (retriable) where too many wait, the signal's reason, or what the job throws
   */
  async run<T>(job: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#running < this.#runningMax) this.#running += 1;
    else await this.#turn(signal);
    try {
      // It may have been aborted after its turn came and before it is here.
      signal?.throwIfAborted();
      return await job();
    } finally {
      this.#pass();
    }
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.size >= this.#waitingMax) {
      const text = `${this.#waiting.size} wait already, which is the most`;
      throw new PluginError('ERR_QUEUE_FULL', text, { retriable: true });
    }
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        this.#waiting.delete(begin);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', leave, { once: true });
      this.#waiting.add(begin);
    });
  }

  /** The place goes to the next one without being free in between, so nobody can overtake. */
  #pass(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#running -= 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
