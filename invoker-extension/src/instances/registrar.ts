/**
 * The tensor daemon's books kept equal to the living instances: registered before they start, released after their end.
 */
import { randomBytes } from 'node:crypto';
import { type Backoff, type DaemonOperator, errorMessage, type InstanceView, type Logger, retry } from '@tetris/common';

/** The part of the operator interface used here. */
export type InstanceDaemon = Pick<DaemonOperator, 'registerInstance' | 'releaseInstance' | 'instances'>;

export interface RegistrarOptions {
  /** Undefined: no daemon, every instance loads privately. */
  daemon: InstanceDaemon | undefined;
  /** N of `invoker<N>`: part of every token, so that invokers of one node never release each other's instances. */
  instance: number;
  log: Logger;
  /** Attempts to register; then the instance starts without sharing. */
  attemptsMax: number;
  /** Between attempts. */
  backoff: Backoff;
}

/** Tokens waiting to be released while the daemon is away; beyond it, reconciliation alone finds them. */
const PENDING_MAX = 10_000;

/** What the daemon prepares at most, in one request. */
const PREPARED_MAX = 64;

const registration = (namespace: string, models: readonly string[]): { namespace: string; models?: string[] } =>
  models.length === 0 ? { namespace } : { namespace, models: models.slice(0, PREPARED_MAX) };

export class Registrar {
  readonly #options: RegistrarOptions;
  readonly #prefix: string;
  readonly #live = new Set<string>();
  /** Ended instances whose release has not been confirmed. */
  readonly #pending = new Set<string>();

  constructor(options: RegistrarOptions) {
    this.#options = options;
    this.#prefix = `invoker${options.instance}-`;
  }

  /**
   * A fresh token and its view folder; no folder where there is no daemon, or none that answers.
   * @param models that the instance is known to load: they are prepared
   */
  async register(
    namespace: string,
    models: readonly string[] = [],
  ): Promise<{ token: string; viewPath: string | undefined }> {
    const { daemon, attemptsMax, backoff, log } = this.#options;
    const token = `${this.#prefix}${randomBytes(24).toString('base64url')}`;
    this.#live.add(token);
    if (daemon === undefined) return { token, viewPath: undefined };
    try {
      const register = (): Promise<InstanceView> => daemon.registerInstance(token, registration(namespace, models));
      const { viewPath } = await retry(register, { backoff, attemptsMax, again: () => true });
      return { token, viewPath };
    } catch (error) {
      log.warn({ reason: errorMessage(error) }, 'tensor daemon does not answer: instance starts without sharing');
      return { token, viewPath: undefined };
    }
  }

  /**
   * A stem cell's token gets the namespace that it will work for, and its models. Without an answer the cell keeps what
   * it had.
   */
  async assign(token: string, namespace: string, models: readonly string[] = []): Promise<void> {
    try {
      await this.#options.daemon?.registerInstance(token, registration(namespace, models));
    } catch (error) {
      this.#options.log.debug({ reason: errorMessage(error) }, 'namespace of a stem cell is not announced');
    }
  }

  /** The instance has ended. Tried again by {@link reconcile} where the daemon does not answer. */
  async release(token: string): Promise<void> {
    this.#live.delete(token);
    if (this.#options.daemon === undefined) return;
    if (this.#pending.size < PENDING_MAX) this.#pending.add(token);
    await this.#tryRelease(token);
  }

  /** Releases what this invoker's earlier runs and failed releases have left at the daemon. Call it now and then. */
  async reconcile(): Promise<void> {
    const { daemon, log } = this.#options;
    if (daemon === undefined) return;
    try {
      for (const { instance } of await daemon.instances()) {
        if (instance.startsWith(this.#prefix) && !this.#live.has(instance)) this.#pending.add(instance);
      }
    } catch (error) {
      log.debug({ reason: errorMessage(error) }, 'tensor daemon does not answer');
      return;
    }
    for (const token of [...this.#pending]) await this.#tryRelease(token);
  }

  async #tryRelease(token: string): Promise<void> {
    try {
      await this.#options.daemon?.releaseInstance(token);
      this.#pending.delete(token);
    } catch (error) {
      this.#options.log.debug({ reason: errorMessage(error) }, 'release of an instance is put off');
    }
  }
}
