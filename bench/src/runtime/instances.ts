import { START_ARGUMENTS } from '@tetris/action-runtime';
import type { InstanceView } from '@tetris/common';
import { type Container, ProcessFactory } from '@tetris/invoker-extension';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DaemonProcess } from '../sharing/daemon-process';

/** What the action reports; see `actions/classify.js`. */
export interface RunReport {
  /** Of the process that answered. */
  pid: number;
  loadMs: number;
  runMs: number[];
  logits: number[];
  /** The last number of every output but the first. */
  lasts: number[];
}

/** What `/init` tells the runtime beside the action. */
export interface InferenceSettings {
  /** Activations that it is given at once; any number by default. */
  room?: number;
  workers?: number;
  batch?: number;
  batchWaitMs?: number;
  /** It is initialized after its process had ended. */
  wakes?: boolean;
}

const CALL = { timeoutMs: 120_000, replyBytesMax: 1024 ** 2 };
/** The largest model's activations take some hundred MB. */
const MEMORY_BYTES = 4 * 1024 ** 3;

/** One function instance with the action in it. */
export class Instance {
  /** What the stages of its start have taken, ms, as far as it has told. */
  readonly stages: Record<string, number> = {};
  /** By which the daemon knows it. */
  readonly token: string;
  readonly #container: Container;

  constructor(container: Container, token: string) {
    this.#container = container;
    this.token = token;
  }

  /** One activation. */
  run(params: object): Promise<RunReport> {
    return this.post('/run', params) as Promise<RunReport>;
  }

  /** @throws Error where it does not answer 200 */
  async post(path: '/init' | '/run' | '/sleep', value: object): Promise<unknown> {
    const reply = await this.#container.post(path, JSON.stringify({ value }), CALL);
    if (reply.outcome !== 'answered' || reply.status !== 200) throw new Error(`${path}: ${JSON.stringify(reply)}`);
    Object.assign(this.stages, reply.stages);
    const body = JSON.parse(reply.body) as { error?: unknown };
    if (body.error !== undefined) throw new Error(`${path}: ${JSON.stringify(body.error)}`);
    return body;
  }

  /** Ends its process. @throws Error where the container would end with it */
  async halt(): Promise<void> {
    if (!(await this.#container.halt())) throw new Error('the container cannot be halted');
  }

  /** Starts another, which has no action yet. */
  async restart(): Promise<void> {
    await this.#container.restart();
  }

  /** As its invoker counts them. */
  async privateBytes(): Promise<number | undefined> {
    return this.#container.privateBytes();
  }

  async stop(): Promise<void> {
    await this.#container.destroy();
  }
}

/** Starts instances of one action beside a daemon. */
export class Instances {
  readonly #daemon: DaemonProcess;
  readonly #factory: ProcessFactory;
  readonly #actionPath: string;
  #started = 0;

  /** @param folder the containers' folders go here @param modelRoots models are here */
  constructor(daemon: DaemonProcess, folder: string, actionPath: string, modelRoots: readonly string[] = [folder]) {
    this.#daemon = daemon;
    this.#actionPath = actionPath;
    this.#factory = new ProcessFactory({
      command: [process.execPath, ...START_ARGUMENTS],
      workPath: join(folder, 'c'),
      daemonSocketPath: daemon.socketPath,
      modelRoots: [...modelRoots],
      path: process.env['PATH'] ?? '',
    });
  }

  /** An initialized instance that takes activations at once. @param env further variables of the runtime */
  async start(tetris: InferenceSettings = {}, env: Readonly<Record<string, string>> = {}): Promise<Instance> {
    const instance = await this.create(env);
    await this.initialize(instance, tetris);
    return instance;
  }

  /**
   * A started instance without an action, as stem cells are.
   * @param models SHA-256 of those that it is known to load, as its invoker tells the daemon
   */
  async create(env: Readonly<Record<string, string>> = {}, models: readonly string[] = []): Promise<Instance> {
    const token = randomUUID();
    const { viewPath } = await this.#register(token, models);
    const container = await this.#factory.create({
      name: `r${(this.#started += 1)}`,
      kind: 'nodejs:tetris',
      memoryBytes: MEMORY_BYTES,
      instance: token,
      viewPath,
      env: { __OW_ALLOW_CONCURRENT: 'true', ...env },
    });
    return new Instance(container, token);
  }

  /** The daemon prepares these models for an instance that is there: a stem cell, or one whose process has ended. */
  async expect(instance: Instance, models: readonly string[]): Promise<void> {
    await this.#register(instance.token, models);
  }

  #register(token: string, models: readonly string[]): Promise<InstanceView> {
    return this.#daemon.operator.registerInstance(token, { namespace: 'bench', models: [...models] });
  }

  async initialize(instance: Instance, tetris: InferenceSettings = {}): Promise<void> {
    const code = await readFile(this.#actionPath, 'utf8');
    await instance.post('/init', { name: 'bench', main: 'main', binary: false, code, tetris });
  }

  async stop(): Promise<void> {
    await this.#factory.close();
  }
}
