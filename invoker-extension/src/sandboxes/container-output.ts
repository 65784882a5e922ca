import type { LogLine } from './container';

/** Output that nobody listens to yet; lines beyond it are dropped. */
const UNHEARD_LINES_MAX = 1000;

/** Lines of a container for its one listener; those that came before it are kept for it. */
export class ContainerOutput {
  readonly #unheard: LogLine[] = [];
  #listener: ((line: LogLine) => void) | undefined;

  line(line: LogLine): void {
    if (this.#listener !== undefined) this.#listener(line);
    else if (this.#unheard.length < UNHEARD_LINES_MAX) this.#unheard.push(line);
  }

  listen(listener: (line: LogLine) => void): void {
    this.#listener = listener;
    for (const line of this.#unheard.splice(0)) listener(line);
  }
}
