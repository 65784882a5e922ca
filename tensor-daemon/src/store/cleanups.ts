import { errorMessage } from '@tetris/common';

export interface CleanupOptions {
  /** Attempts at one cleanup, the first included; then it is left to the next start, which sweeps the store. */
  cleanupAttemptsMax: number;
  /** Pause before the second attempt, ms; doubled with each further one. */
  cleanupRetryMs: number;
}

/** A failed attempt, for the log. */
export interface CleanupFailure {
  /** What was to be removed. */
  key: string;
  reason: string;
  attempts: number;
  /** Whether it was the last attempt. */
  abandoned: boolean;
}

interface Cleanup {
  work: () => Promise<void> | void;
  attempts: number;
  dueMs: number;
}

/**
 * Removals that must be done in the end. A file operation that fails is no reason to end the daemon or to forget what
 * it was about: the removal is reported, kept under its key, and done again later. Time is passed in.
 */
export class Cleanups {
  readonly #options: CleanupOptions;
  readonly #report: (failure: CleanupFailure) => void;
  readonly #now: () => number;
  readonly #failed = new Map<string, Cleanup>();

  constructor(options: CleanupOptions, report: (failure: CleanupFailure) => void, now: () => number) {
    this.#options = options;
    this.#report = report;
    this.#now = now;
  }

  /** Those that wait for another attempt. */
  get pending(): number {
    return this.#failed.size;
  }

  has(key: string): boolean {
    return this.#failed.has(key);
  }

  /**
   * Does some work now, and again later where it fails: it must be idempotent. Never rejects. @returns whether it is
   * done
   */
  async attempt(key: string, work: () => Promise<void> | void): Promise<boolean> {
    try {
      await work();
      this.#failed.delete(key);
      return true;
    } catch (error) {
      this.failed(key, error, work);
      return false;
    }
  }

  /** Some work has failed; it is done again later. */
  failed(key: string, error: unknown, work: () => Promise<void> | void): void {
    const { cleanupAttemptsMax, cleanupRetryMs } = this.#options;
    const attempts = (this.#failed.get(key)?.attempts ?? 0) + 1;
    const abandoned = attempts >= cleanupAttemptsMax;
    if (abandoned) this.#failed.delete(key);
    else this.#failed.set(key, { work, attempts, dueMs: this.#now() + cleanupRetryMs * 2 ** (attempts - 1) });
    this.#report({ key, reason: errorMessage(error), attempts, abandoned });
  }

  /** Does again what has failed and is due. */
  async retry(nowMs: number): Promise<void> {
    const due = [...this.#failed].filter(([, { dueMs }]) => dueMs <= nowMs);
    for (const [key, { work }] of due) await this.attempt(key, work);
  }
}
