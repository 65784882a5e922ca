import { type EntityStore, errorMessage, type Identity, type Logger } from '@tetris/common';

/** Namespaces that may not run anything. Source: `V/invoker/NamespaceBlacklist.scala`. */
export interface Blacklist {
  has(user: Identity): boolean;
}

/** A list of namespace names that somebody else keeps up to date by {@link NameBlacklist.replace}. */
export class NameBlacklist implements Blacklist {
  #names: ReadonlySet<string>;

  constructor(names: readonly string[] = []) {
    this.#names = new Set(names);
  }

  has(user: Identity): boolean {
    return this.#names.has(user.namespace.name);
  }

  replace(names: readonly string[]): void {
    this.#names = new Set(names);
  }
}

export interface BlacklistKeeperOptions {
  list: NameBlacklist;
  entities: Pick<EntityStore, 'blockedNamespaces'>;
  /** Names that count whatever the database says. */
  always: readonly string[];
  intervalMs: number;
  log: Logger;
}

/** Keeps a list like the subjects database. While that is away, what was read last counts. */
export class BlacklistKeeper {
  readonly #options: BlacklistKeeperOptions;
  #timer: NodeJS.Timeout | undefined;
  #known = 0;

  constructor(options: BlacklistKeeperOptions) {
    this.#options = options;
  }

  /** Resolves after the first reading; never rejects. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.refresh(), this.#options.intervalMs).unref();
    await this.refresh();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async refresh(): Promise<void> {
    const { list, entities, always, log } = this.#options;
    try {
      const blocked = await entities.blockedNamespaces();
      list.replace([...always, ...blocked]);
      if (blocked.length !== this.#known) log.info({ namespaces: blocked.length }, 'blocked namespaces read');
      this.#known = blocked.length;
    } catch (error) {
      log.warn({ reason: errorMessage(error) }, 'blocked namespaces cannot be read: those known go on counting');
    }
  }
}
