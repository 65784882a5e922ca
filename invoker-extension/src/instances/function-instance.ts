import { type Action, type Logger, PluginError } from '@tetris/common';
import { SLEEP_PATH, type StartStage } from '@tetris/common/environment';
import type { InstanceSettings } from '../scaling/settings';
import type { CallOptions, Container, ContainerFactory, ContainerReply } from '../sandboxes/container';
import { InstanceLogs, type LogWaits } from '../messages/logs';
import type { IdleLevel } from './idle-level';
import type { Registrar } from './registrar';
import type { StemCell } from './stem-cell-keeper';
import type { StemCellKind } from './stem-cells';

export interface FunctionInstanceOptions {
  id: number;
  action: Action;
  /** The invoking namespace. */
  namespace: string;
  /** Key under which the action's manifest is known. */
  revision: string;
  settings: InstanceSettings;
  /** SHA-256 of the models that the action is known to load by now. */
  models: () => readonly string[];
  factory: ContainerFactory;
  registrar: Registrar;
  /** A container that waits for an action of this kind and memory, with its token. */
  takeCell?: ((kind: StemCellKind) => StemCell | undefined) | undefined;
  logWaits: LogWaits;
  /** What instances of this revision were measured to use of their own, bytes. */
  expectedBytes?: number | undefined;
  /** Environment beside what the factory adds. */
  env: Readonly<Record<string, string>>;
  /** A stage of its start is over; `container` is what its factory took. */
  onStage: (stage: 'container' | StartStage, ms: number) => void;
  log: Logger;
}

const MIB = 1024 ** 2;

/** Freeing sessions takes some tens of milliseconds. */
const SLEEP_CALL: CallOptions = { timeoutMs: 10_000, replyBytesMax: 1024 };

/** One function instance: its container, its place at the daemon and its logs. The pool decides, this obeys. */
export class FunctionInstance {
  readonly id: number;
  readonly revision: string;
  readonly settings: InstanceSettings;
  readonly logs: InstanceLogs;
  /** When its initialization began, epoch ms; undefined before. */
  startedMs: number | undefined;
  /** Activations under way, and answered so far. */
  running = 0;
  answered = 0;
  /** What it keeps; lowered by {@link rest} alone. */
  level: IdleLevel = 'awake';
  #isFrozen = false;
  #runningAtCrash: number | undefined;
  readonly #options: FunctionInstanceOptions;
  #token: string | undefined;
  #container: Container | undefined;
  /** Pause and resume happen one after the other, in the order in which they were asked for. */
  #freezing: Promise<void> = Promise.resolve();
  /** While its process is being ended. */
  #halting: Promise<unknown> | undefined;

  constructor(options: FunctionInstanceOptions) {
    this.#options = options;
    this.id = options.id;
    this.revision = options.revision;
    this.settings = options.settings;
    this.logs = new InstanceLogs(options.logWaits);
  }

  /** The daemon's token; undefined before {@link create}. */
  get token(): string | undefined {
    return this.#token;
  }

  /** Activations beside one that the container died with; to be asked before the first of them is counted off. */
  othersAtCrash(): number {
    this.#runningAtCrash ??= this.running;
    return this.#runningAtCrash - 1;
  }

  /** Whether there was ever a container. */
  get created(): boolean {
    return this.#container !== undefined;
  }

  /**
   * Registers and creates, or takes a stem cell. @throws PluginError `ERR_CONTAINER_START`, with nothing left behind
   */
  async create(): Promise<void> {
    const { takeCell, action, registrar, namespace, models } = this.#options;
    const cell = takeCell?.({ kind: action.exec.kind, memoryBytes: action.limits.memory * MIB });
    if (cell === undefined) return this.#createContainer();
    this.#token = cell.token;
    this.#adopt(cell.container);
    await registrar.assign(cell.token, namespace, models());
  }

  async #createContainer(): Promise<void> {
    const { registrar, factory, namespace, action, models, id, expectedBytes, env } = this.#options;
    const { token, viewPath } = await registrar.register(namespace, models());
    this.#token = token;
    const startMs = performance.now();
    try {
      const container = await factory.create({
        name: `${id}_${namespace}_${action.name}`.replace(/[^\w.-]/g, '').slice(0, 32),
        kind: action.exec.kind,
        memoryBytes: action.limits.memory * MIB,
        namespace,
        instance: token,
        ...(viewPath === undefined ? {} : { viewPath }),
        ...(expectedBytes === undefined ? {} : { expectedBytes }),
        env,
      });
      this.#options.onStage('container', performance.now() - startMs);
      this.#adopt(container);
    } catch (error) {
      await registrar.release(token);
      throw error;
    }
  }

  #adopt(container: Container): void {
    container.onLog((line) => this.logs.line(line));
    this.#container = container;
  }

  /** Resolves when the container is no more. */
  async ended(): Promise<void> {
    await this.#container?.ended;
    this.logs.end();
  }

  /** Tells the daemon that the instance has ended. */
  async release(): Promise<void> {
    if (this.#token !== undefined) await this.#options.registrar.release(this.#token);
  }

  async post(path: '/init' | '/run', body: string, options: CallOptions): Promise<ContainerReply> {
    if (this.#container === undefined)
      throw new PluginError('ERR_CONTAINER_GONE', `instance ${this.id} has no container`);
    const reply = await this.#container.post(path, body, options);
    const stages = reply.outcome === 'answered' ? (reply.stages ?? {}) : {};
    for (const [stage, ms] of Object.entries(stages)) this.#options.onStage(stage as StartStage, ms);
    return reply;
  }

  async pause(): Promise<void> {
    await this.#freeze('pause');
  }

  async resume(): Promise<void> {
    await this.#freeze('resume');
  }

  /**
   * Gives memory back, after what was asked for before; a frozen one is frozen again.
   *
   * @returns private bytes before and after; undefined where it would not
   */
  async rest(level: IdleLevel): Promise<{ beforeBytes: number; afterBytes: number } | undefined> {
    const rested = this.#freezing.then(() => (level === 'ended' ? this.#halt() : this.#sleep()));
    this.#freezing = rested.then(
      () => undefined,
      (error: unknown) => this.#options.log.warn({ instance: this.id, err: error }, 'rest failed'),
    );
    return rested.catch(() => undefined);
  }

  /**
   * Before an activation, which counts as running already: starts its process anew where that has ended.
   *
   * @returns whether it has: then it is to be initialized again
   * @throws PluginError `ERR_CONTAINER_START`
   */
  async wake(): Promise<boolean> {
    if (this.#halting !== undefined) await this.#halting;
    const hadEnded = this.level === 'ended';
    if (hadEnded) await this.#container?.restart();
    this.level = 'awake';
    return hadEnded;
  }

  async privateBytes(): Promise<number | undefined> {
    return this.#container?.privateBytes();
  }

  async destroy(): Promise<void> {
    await this.#container?.destroy();
  }

  async #sleep(): Promise<{ beforeBytes: number; afterBytes: number } | undefined> {
    const container = this.#container;
    const wasFrozen = this.#isFrozen;
    if (container === undefined || this.running > 0) return undefined;
    const beforeBytes = await container.privateBytes();
    if (wasFrozen) await container.resume();
    const reply = await container.post(SLEEP_PATH, '{}', SLEEP_CALL);
    if (wasFrozen) await container.pause();
    const afterBytes = await container.privateBytes();
    if (reply.outcome !== 'answered' || reply.status !== 200) return undefined;
    if (this.running === 0) this.level = 'asleep';
    return beforeBytes === undefined || afterBytes === undefined ? undefined : { beforeBytes, afterBytes };
  }

  /** Its view stays with its token: whoever releases the instance releases it. */
  async #halt(): Promise<{ beforeBytes: number; afterBytes: number } | undefined> {
    const { registrar, namespace, models } = this.#options;
    const container = this.#container;
    if (container === undefined || this.running > 0) return undefined;
    const beforeBytes = (await container.privateBytes()) ?? 0;
    if (this.running > 0) return undefined;
    const halted = container.halt();
    this.#halting = halted;
    try {
      if (!(await halted)) return undefined;
      this.level = 'ended';
      this.#isFrozen = false;
      // Not waited for by an activation that comes now.
      this.#halting = undefined;
      if (this.#token !== undefined) await registrar.assign(this.#token, namespace, models());
      return { beforeBytes, afterBytes: 0 };
    } finally {
      this.#halting = undefined;
    }
  }

  async #freeze(how: 'pause' | 'resume'): Promise<void> {
    const before = this.#freezing;
    this.#freezing = (async (): Promise<void> => {
      await before;
      try {
        await this.#container?.[how]();
        this.#isFrozen = how === 'pause';
      } catch (error) {
        // A container that cannot be resumed does not answer, which the activation then reports.
        this.#options.log.warn({ instance: this.id, err: error }, `${how} failed`);
      }
    })();
    await this.#freezing;
  }
}
