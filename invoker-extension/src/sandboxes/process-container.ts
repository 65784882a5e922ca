import { type ChildProcess } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { errorMessage, PluginError, within } from '@tetris/common';
import { ActionClient } from './action-client';
import type { ActionPath, CallOptions, Container, ContainerReply, LogLine } from './container';
import { ContainerOutput } from './container-output';
import { LineSplitter } from './log-lines';
import { killWhere, TOKEN_VARIABLE } from './process-environments';
import { anonymousBytes, privateBytesOf } from './process-memory';

export interface ProcessContainerOptions {
  name: string;
  /** Of the instance: processes that user code has started bear it in their environment. */
  token: string;
  /** Starts its process, the leader of a process group of its own, in a folder that is empty. */
  spawn: () => Promise<ChildProcess & { pid: number }>;
  socketPath: string;
  /** The container's folder, removed with it. */
  folder: string;
  /** The views folder: what is mapped from below it is shared. */
  sharedPath: string | undefined;
  /** Anonymous memory above which the container is killed. */
  memoryBytesMax: number;
  /** How often memory is compared with the limit. A burst between two samples goes unseen. */
  memoryWatchMs: number;
}

/** After the leader's end, pipes that some escaped descendant keeps open are waited for this long. */
const CLOSE_WAIT_MS = 500;

type Child = ChildProcess & { pid: number };

/** A function instance as a child process: its own group, its own folder, a Unix socket to talk to. */
export class ProcessContainer implements Container {
  readonly name: string;
  readonly ended: Promise<void>;
  readonly #options: ProcessContainerOptions;
  readonly #output = new ContainerOutput();
  #onEnded: () => void = () => undefined;
  #client: ActionClient;
  /** Undefined while it is halted, and once it has ended. */
  #child: Child | undefined;
  /** Resolves when what its last process left is tidied up. */
  #tidied: Promise<void> = Promise.resolve();
  #isHalted = false;
  #starting: Promise<void> = Promise.resolve();
  #outOfMemory = false;

  /** Starts a process. @throws what `spawn` throws */
  static async start(options: ProcessContainerOptions): Promise<ProcessContainer> {
    const container = new ProcessContainer(options);
    container.#run(await options.spawn());
    container.#watchMemory();
    return container;
  }

  private constructor(options: ProcessContainerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#client = new ActionClient({ socketPath: options.socketPath });
    this.ended = new Promise((resolve) => (this.#onEnded = resolve));
  }

  async post(path: ActionPath, body: string, options: CallOptions): Promise<ContainerReply> {
    const reply = await this.#client.post(path, body, options);
    return reply.outcome === 'gone' && this.#outOfMemory ? { outcome: 'out-of-memory' } : reply;
  }

  async pause(): Promise<void> {
    this.#signal('SIGSTOP');
  }

  async resume(): Promise<void> {
    this.#signal('SIGCONT');
  }

  onLog(listener: (line: LogLine) => void): void {
    this.#output.listen(listener);
  }

  async halt(): Promise<boolean> {
    if (this.#child === undefined) return false;
    this.#isHalted = true;
    this.#signal('SIGKILL');
    await this.#tidied;
    return true;
  }

  async restart(): Promise<void> {
    if (!this.#isHalted) throw new PluginError('ERR_CONTAINER_START', `container ${this.name} is not halted`);
    this.#client = new ActionClient({ socketPath: this.#options.socketPath });
    const starting = this.#options.spawn();
    this.#starting = starting.then(
      (child) => {
        this.#isHalted = false;
        this.#run(child);
      },
      () => undefined,
    );
    try {
      await starting;
    } catch (error) {
      const text = `container ${this.name} did not start again: ${errorMessage(error)}`;
      throw new PluginError('ERR_CONTAINER_START', text, { cause: error });
    }
  }

  async privateBytes(): Promise<number | undefined> {
    if (this.#isHalted) return 0;
    return this.#child && privateBytesOf(this.#child.pid, this.#options.sharedPath);
  }

  async destroy(): Promise<void> {
    await this.#starting;
    this.#isHalted = false;
    this.#signal('SIGKILL');
    await this.#tidied;
    this.#onEnded();
  }

  #run(child: Child): void {
    this.#child = child;
    this.#read(child, 'stdout');
    this.#read(child, 'stderr');
    this.#tidied = this.#tidyUp(child).then(() => (this.#isHalted ? undefined : this.#onEnded()));
  }

  /** Resolves when the process is gone, its output read and its folder removed. */
  async #tidyUp(child: Child): Promise<void> {
    const { folder, token } = this.#options;
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    await new Promise<void>((resolve) => child.once('exit', () => resolve()));
    // What user code has started goes with it, in the group or detached from it.
    this.#signal('SIGKILL');
    this.#child = undefined;
    await killWhere((environment) => environment.get(TOKEN_VARIABLE) === token);
    await this.#client.close();
    await within(closed, CLOSE_WAIT_MS);
    child.stdout?.destroy();
    child.stderr?.destroy();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#child === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch {
      // The group is gone: there is nobody left to tell.
    }
  }

  #read(child: ChildProcess, stream: 'stdout' | 'stderr'): void {
    const splitter = new LineSplitter((text) => this.#output.line({ atMs: Date.now(), stream, text }));
    child[stream]?.on('data', (chunk: Buffer) => splitter.push(chunk)).on('end', () => splitter.end());
  }

  #watchMemory(): void {
    const { memoryBytesMax, memoryWatchMs } = this.#options;
    const timer = setInterval(() => void check(), memoryWatchMs).unref();
    const check = async (): Promise<void> => {
      const child = this.#child;
      if (child === undefined || (await anonymousBytes(child.pid)) <= memoryBytesMax || child !== this.#child) return;
      this.#outOfMemory = true;
      this.#signal('SIGKILL');
    };
    void this.ended.then(() => clearInterval(timer));
  }
}
