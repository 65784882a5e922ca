/** What placement needs of an action's document, read once per revision. */
import {
  type Action,
  asPluginError,
  type EntityStore,
  integerOf,
  type Logger,
  positiveOf,
  valueOf,
} from '@tetris/common';

export interface ActionFacts {
  kind: string;
  /** Memory limit, bytes. */
  memoryBytes: number;
  /** Time limit, ms. */
  timeoutMs: number;
  /** Activations at once in one instance. */
  concurrency: number;
  /** Annotation `tetris-priority`, an integer: the higher goes first where activations wait. @default 0 */
  priority: number;
  /** Annotation `tetris-deadline`: ms after its start within which an activation must run. Undefined: none of its own. */
  deadlineMs: number | undefined;
  /** Annotation `tetris-slo`: ms after its start within which its answer is wanted; a late one is still wanted. */
  sloMs: number | undefined;
}

export interface CatalogOptions {
  /** Actions kept; the longest unused leaves first. */
  actionsMax: number;
  tetrisKinds: readonly string[];
  /** Activations at once in an instance of a tetris kind whose action says nothing. */
  concurrencyDefault: number;
}

export class ActionCatalog {
  readonly #entities: EntityStore;
  readonly #options: CatalogOptions;
  readonly #log: Logger;
  readonly #known = new Map<string, ActionFacts>();
  readonly #reading = new Map<string, Promise<ActionFacts | undefined>>();

  constructor(entities: EntityStore, options: CatalogOptions, log: Logger) {
    this.#entities = entities;
    this.#options = options;
    this.#log = log;
  }

  /**
   * @returns undefined where the document is missing, broken or out of reach: the invoker will meet the same and
   *   answer as stock does, so the activation is handed on all the same.
   */
  async facts(action: string, revision: string | null): Promise<ActionFacts | undefined> {
    const key = `${action}@${revision ?? ''}`;
    const known = this.#known.get(key);
    if (known !== undefined) {
      this.#known.delete(key);
      this.#known.set(key, known);
      return known;
    }
    let reading = this.#reading.get(key);
    if (reading === undefined) {
      reading = this.#read(action, revision, key).finally(() => this.#reading.delete(key));
      this.#reading.set(key, reading);
    }
    return reading;
  }

  async #read(action: string, revision: string | null, key: string): Promise<ActionFacts | undefined> {
    try {
      const facts = this.#factsOf(await this.#entities.getAction(action, revision ?? undefined));
      if (revision !== null) this.#keep(key, facts);
      return facts;
    } catch (error) {
      const { code, message } = asPluginError(error);
      this.#log.warn({ action, revision, code, reason: message }, 'action cannot be read: placing it blindly');
      return undefined;
    }
  }

  #keep(key: string, facts: ActionFacts): void {
    this.#known.set(key, facts);
    const oldest = this.#known.keys().next().value;
    if (this.#known.size > this.#options.actionsMax && oldest !== undefined) this.#known.delete(oldest);
  }

  #factsOf({ exec, limits, annotations }: Action): ActionFacts {
    const fallback = this.#options.tetrisKinds.includes(exec.kind) ? this.#options.concurrencyDefault : 1;
    const limited = limits.concurrency > 1 ? limits.concurrency : fallback;
    return {
      kind: exec.kind,
      memoryBytes: limits.memory * 1024 ** 2,
      timeoutMs: limits.timeout,
      concurrency: positiveOf(valueOf(annotations, 'tetris-concurrency')) ?? limited,
      priority: integerOf(valueOf(annotations, 'tetris-priority')) ?? 0,
      deadlineMs: positiveOf(valueOf(annotations, 'tetris-deadline')),
      sloMs: positiveOf(valueOf(annotations, 'tetris-slo')),
    };
  }
}
