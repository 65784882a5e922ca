/** What placement needs of an action's document, read once per revision. */
import {
  concurrencyOf,
  type Action,
  asPluginError,
  type EntityStore,
  integerOf,
  type Logger,
  positiveOf,
  SingleFlight,
  valueOf,
} from '@tetris/common';
import { LRUCache } from 'lru-cache';

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
  /**
   * Annotation `tetris-deadline`: ms after its start within which an activation must run. Undefined: none of its own.
   */
  deadlineMs: number | undefined;
  /** Annotation `tetris-slo`: ms after its start within which its answer is wanted; a late one is still wanted. */
  sloMs: number | undefined;
}

export interface CatalogOptions {
  /** Actions kept; the longest unused leaves first. */
  actionsMax: number;
  tetrisKinds: readonly string[];
  /** Activations at once in an instance of a tetris kind whose action asks for sharing, and says no number. */
  concurrencyDefault: number;
}

export class ActionCatalog {
  readonly #entities: EntityStore;
  readonly #options: CatalogOptions;
  readonly #log: Logger;
  readonly #known: LRUCache<string, ActionFacts>;
  readonly #reading = new SingleFlight<ActionFacts | undefined>();

  constructor(entities: EntityStore, options: CatalogOptions, log: Logger) {
    this.#entities = entities;
    this.#options = options;
    this.#known = new LRUCache({ max: options.actionsMax });
    this.#log = log;
  }

  /**
   * @returns undefined where the document is missing, broken or out of reach: the invoker will meet the same and
   *   answer as stock does, so the activation is handed on all the same.
   */
  async facts(action: string, revision: string | null): Promise<ActionFacts | undefined> {
    const key = `${action}@${revision ?? ''}`;
    return this.#known.get(key) ?? this.#reading.run(key, () => this.#read(action, revision, key));
  }

  async #read(action: string, revision: string | null, key: string): Promise<ActionFacts | undefined> {
    try {
      const facts = this.#factsOf(await this.#entities.getAction(action, revision ?? undefined));
      if (revision !== null) this.#known.set(key, facts);
      return facts;
    } catch (error) {
      const { code, message } = asPluginError(error);
      this.#log.warn({ action, revision, code, reason: message }, 'action cannot be read: placing it blindly');
      return undefined;
    }
  }

  #factsOf({ exec, limits, annotations }: Action): ActionFacts {
    const { tetrisKinds, concurrencyDefault } = this.#options;
    const isTetris = tetrisKinds.includes(exec.kind);
    return {
      kind: exec.kind,
      memoryBytes: limits.memory * 1024 ** 2,
      timeoutMs: limits.timeout,
      concurrency: isTetris
        ? concurrencyOf({ limits, annotations }, concurrencyDefault)
        : Math.max(1, limits.concurrency),
      priority: integerOf(valueOf(annotations, 'tetris-priority')) ?? 0,
      deadlineMs: positiveOf(valueOf(annotations, 'tetris-deadline')),
      sloMs: positiveOf(valueOf(annotations, 'tetris-slo')),
    };
  }
}
