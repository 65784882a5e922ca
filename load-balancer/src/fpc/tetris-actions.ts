/**
 * Which actions are ours: those of the kinds that we serve, in their newest revision. Read from the changes of the
 * entity database, at an interval and whenever a controller says that an entity has changed.
 */
import { type ActionChange, type EntityChanges, errorMessage, type Logger } from '@tetris/common';
import type { ActionState } from './known-actions';

export interface TetrisActionsOptions {
  isOurKind: (kind: string) => boolean;
  /** Between looks, ms. */
  intervalMs: number;
}

export interface ActionsSeen {
  present: (name: string, state: ActionState) => void;
  /** It is deleted, or of another kind now. */
  gone: (name: string) => void;
}

/** Changes read at once. */
const PAGE = 500;

export class TetrisActions {
  readonly #changes: EntityChanges;
  readonly #options: TetrisActionsOptions;
  readonly #seen: ActionsSeen;
  readonly #log: Logger;
  #since: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(changes: EntityChanges, options: TetrisActionsOptions, seen: ActionsSeen, log: Logger) {
    this.#changes = changes;
    this.#options = options;
    this.#seen = seen;
    this.#log = log;
  }

  /** Something may have changed. Resolves when it is known. */
  look(): Promise<void> {
    this.#again = true;
    this.#looking ??= this.#read().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  async #read(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false;
        const { changes, since } = await this.#changes.actionChanges(this.#since, PAGE);
        this.#since = since;
        for (const change of changes) this.#tell(change);
        if (changes.length > 0) this.#again = true;
      }
    } catch (error) {
      this.#log.warn({ reason: errorMessage(error) }, 'changes of actions cannot be read now');
    }
    if (!this.#stopped) this.#timer = setTimeout(() => void this.look(), this.#options.intervalMs);
  }

  #tell({ name, action }: ActionChange): void {
    if (action !== undefined && this.#options.isOurKind(action.kind)) this.#seen.present(name, action);
    else this.#seen.gone(name);
  }
}
