/**
 * Keeps the in-flight ids in the registry, so that the next process with the same owner name can answer for them.
 *
 * An id is written before its activation is handed on and erased after its last ack was passed on. A crash in between
 * can therefore cause a second answer, which a controller ignores, but never leaves a handed-on activation unknown.
 * One that waits for an invoker is written with its message, which nobody else has any more.
 * Where the registry is away, activations go on unrecorded: waiting for it is bounded, and skipped until it is back.
 */
import { type InFlight, type Logger, type Registry, within } from '@tetris/common';

export interface JournalOptions {
  owner: string;
  /** Longest wait for one write, ms. */
  waitMsMax: number;
}

export class Journal {
  readonly #registry: Registry;
  readonly #options: JournalOptions;
  readonly #log: Logger;
  #away = false;

  constructor(registry: Registry, options: JournalOptions, log: Logger) {
    this.#registry = registry;
    this.#options = options;
    this.#log = log;
  }

  /** Resolves when the id is safe, or when waiting for that is no longer worth it. Never rejects. */
  async record(entry: InFlight): Promise<void> {
    const written = this.#watch(this.#registry.putInFlight(this.#options.owner, entry));
    if (!this.#away) await this.#atMost(written);
  }

  /** Not awaited by anyone: a leftover id only causes an ack that the controller ignores. */
  erase(activationId: string): void {
    void this.#watch(this.#registry.deleteInFlight(this.#options.owner, activationId));
  }

  /** What an earlier process of this owner left behind. Empty where the registry is away. */
  async recover(): Promise<InFlight[]> {
    try {
      return await this.#registry.listInFlight(this.#options.owner);
    } catch (error) {
      this.#log.error({ err: error }, 'in-flight ids of the last run cannot be read: they are left to their deadlines');
      return [];
    }
  }

  #watch(operation: Promise<void>): Promise<void> {
    return operation.then(
      () => this.#setAway(false),
      (error: unknown) => this.#setAway(true, error),
    );
  }

  async #atMost(written: Promise<void>): Promise<void> {
    const inTime = written.then(() => true);
    if ((await within(inTime, this.#options.waitMsMax)) === undefined) this.#setAway(true);
  }

  #setAway(away: boolean, error?: unknown): void {
    if (away === this.#away) return;
    this.#away = away;
    if (away) this.#log.warn({ err: error }, 'registry is away: activations go on without crash recovery');
    else this.#log.info('registry is back');
  }
}
