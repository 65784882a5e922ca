import { type ChildProcess } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { within } from '@tetris/common';
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
  /** Leader of a process group of its own. */
  child: ChildProcess & { pid: number };
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

/** A function instance as a child process: its own group, its own folder, a Unix socket to talk to. */
export class ProcessContainer implements Container {
  readonly name: string;
  readonly ended: Promise<void>;
  readonly #options: ProcessContainerOptions;
  readonly #client: ActionClient;
  readonly #output = new ContainerOutput();
  #outOfMemory = false;
  #exited = false;

  constructor(options: ProcessContainerOptions) {
    this.name = options.name;
    this.#options = options;
    this.#client = new ActionClient({ socketPath: options.socketPath });
    const { child } = options;
    this.#read(child, 'stdout');
    this.#read(child, 'stderr');
    this.ended = this.#end();
    this.#watchMemory();
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

  async privateBytes(): Promise<number | undefined> {
    return privateBytesOf(this.#options.child.pid, this.#options.sharedPath);
  }

  async destroy(): Promise<void> {
    this.#signal('SIGKILL');
    await this.ended;
  }

  /** Resolves when the process is gone, its output read and its folder removed. */
  async #end(): Promise<void> {
    const { child, folder, token } = this.#options;
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    await new Promise<void>((resolve) => child.once('exit', () => resolve()));
    // What user code has started goes with it, in the group or detached from it.
    this.#signal('SIGKILL');
    this.#exited = true;
    await killWhere((environment) => environment.get(TOKEN_VARIABLE) === token);
    await this.#client.close();
    await within(closed, CLOSE_WAIT_MS);
    child.stdout?.destroy();
    child.stderr?.destroy();
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }

  #signal(signal: NodeJS.Signals): void {
    if (this.#exited) return;
    try {
      process.kill(-this.#options.child.pid, signal);
    } catch {
      // The group is gone: there is nobody left to tell.
    }
  }

  #read(child: ChildProcess, stream: 'stdout' | 'stderr'): void {
    const splitter = new LineSplitter((text) => this.#output.line({ atMs: Date.now(), stream, text }));
    child[stream]?.on('data', (chunk: Buffer) => splitter.push(chunk)).on('end', () => splitter.end());
  }

  #watchMemory(): void {
    const { child, memoryBytesMax, memoryWatchMs } = this.#options;
    const timer = setInterval(() => void check(), memoryWatchMs).unref();
    const check = async (): Promise<void> => {
      if ((await anonymousBytes(child.pid)) <= memoryBytesMax || this.#exited) return;
      this.#outOfMemory = true;
      this.#signal('SIGKILL');
    };
    void this.ended.then(() => clearInterval(timer));
  }
}
