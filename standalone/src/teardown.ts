import { errorMessage, type Logger } from '@tetris/common';

/** What has been started, to be ended in the opposite order. One failure does not keep the rest from ending. */
export class Teardown {
  readonly #steps: { what: string; undo: () => Promise<unknown> | void }[] = [];
  readonly #log: Logger;
  #running: Promise<void> | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  add(what: string, undo: () => Promise<unknown> | void): void {
    this.#steps.push({ what, undo });
  }

  /** Idempotent: later calls wait for the first. Never rejects. */
  run(): Promise<void> {
    return (this.#running ??= this.#run());
  }

  async #run(): Promise<void> {
    for (const { what, undo } of this.#steps.toReversed()) {
      try {
        await undo();
      } catch (error) {
        this.#log.error({ what, reason: errorMessage(error) }, 'could not be stopped in order');
      }
    }
  }
}
