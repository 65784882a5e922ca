import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage, type Logger, PluginError, retry, type Sleep, within } from '@tetris/common';
import type Dockerode from 'dockerode';
import type { ActionClient } from './action-client';
import type { ActionPath, CallOptions, Container, ContainerReply, LogLine } from './container';
import { ContainerOutput } from './container-output';
import { DockerLogReader } from './docker-logs';
import { cgroupPrivateBytes } from './docker-memory';

export interface DockerContainerOptions {
  name: string;
  handle: Dockerode.Container;
  client: ActionClient;
  /** The engine's log stream with timestamps, followed. */
  logs: NodeJS.ReadableStream;
  /** Folder of its memory cgroup. */
  cgroup: string;
  callTimeoutMs: number;
  log: Logger;
}

/** A broken connection may mean that the kernel is about to kill the container; its end is waited for this long. */
const EXIT_WAIT_MS = 1000;
/** After the container's end its last lines are waited for this long. */
const LAST_LINES_MS = 2000;
/** An engine that does not answer is asked for about a minute before the container counts as lost. */
const ENGINE_BACKOFF = { firstMs: 250, maxMs: 1000 };
const ENGINE_TRIES_MAX = 80;
const REMOVE_BACKOFF = { firstMs: 100, maxMs: 1000 };
const REMOVE_TRIES_MAX = 3;
/** Whoever waits for an engine does not keep the process alive. */
const sleepLightly: Sleep = (ms, signal) => sleep(ms, undefined, { ref: false, signal });

/** A function instance as a Docker container that is running. */
export class DockerContainer implements Container {
  readonly name: string;
  readonly ended: Promise<void>;
  readonly #options: DockerContainerOptions;
  readonly #exited: Promise<void>;
  readonly #output = new ContainerOutput();
  #outOfMemory = false;
  #destroyed: Promise<void> | undefined;

  constructor(options: DockerContainerOptions) {
    this.name = options.name;
    this.#options = options;
    const read = this.#readLogs(options.logs);
    this.#exited = this.#exit();
    this.ended = this.#end(read);
  }

  async post(path: ActionPath, body: string, options: CallOptions): Promise<ContainerReply> {
    const reply = await this.#options.client.post(path, body, options);
    if (reply.outcome !== 'gone') return reply;
    await within(this.#exited, EXIT_WAIT_MS);
    return this.#outOfMemory ? { outcome: 'out-of-memory' } : reply;
  }

  async pause(): Promise<void> {
    await this.#call('paused', (options) => this.#options.handle.pause(options));
  }

  async resume(): Promise<void> {
    await this.#call('resumed', (options) => this.#options.handle.unpause(options));
  }

  /** Its processes cannot end without it. */
  halt(): Promise<boolean> {
    return Promise.resolve(false);
  }

  restart(): Promise<void> {
    return Promise.reject(new PluginError('ERR_CONTAINER_START', `container ${this.name} cannot be started anew`));
  }

  onLog(listener: (line: LogLine) => void): void {
    this.#output.listen(listener);
  }

  privateBytes(): Promise<number | undefined> {
    return cgroupPrivateBytes(this.#options.cgroup);
  }

  destroy(): Promise<void> {
    return (this.#destroyed ??= this.#remove());
  }

  /** Resolves when the engine says that the container's processes have ended, and why. */
  async #exit(): Promise<void> {
    const { handle, client, log, callTimeoutMs } = this.#options;
    const end = async (): Promise<void> => {
      await handle.wait();
      const { State } = await handle.inspect({ abortSignal: AbortSignal.timeout(callTimeoutMs) });
      this.#outOfMemory = State.OOMKilled;
      if (this.#destroyed !== undefined) return;
      const { ExitCode: exitCode, OOMKilled: outOfMemory } = State;
      log.warn({ container: this.name, exitCode, outOfMemory }, 'container ended by itself');
    };
    const again = (error: unknown): boolean => statusOf(error) !== 404;
    const options = { backoff: ENGINE_BACKOFF, attemptsMax: ENGINE_TRIES_MAX, again, sleep: sleepLightly };
    await retry(end, options).catch(() => undefined);
    await client.close();
  }

  /** Resolves when the last line is read and nothing of the container is left on the engine. */
  async #end(logsRead: Promise<void>): Promise<void> {
    await this.#exited;
    await within(logsRead, LAST_LINES_MS);
    this.#options.logs.removeAllListeners('data');
    await this.destroy();
  }

  #readLogs(logs: NodeJS.ReadableStream): Promise<void> {
    const reader = new DockerLogReader((line) => this.#output.line(line));
    return new Promise((resolve) => {
      logs.on('data', (chunk: Buffer) => reader.push(chunk));
      logs.on('error', () => resolve());
      logs.on('close', () => resolve());
      logs.on('end', () => {
        reader.end();
        resolve();
      });
    });
  }

  /** Never throws: what cannot be removed now is an orphan that the next start removes. */
  async #remove(): Promise<void> {
    const { handle, log } = this.#options;
    const remove = (): Promise<void> => removeByForce(handle, this.#options.callTimeoutMs);
    try {
      await retry(remove, { backoff: REMOVE_BACKOFF, attemptsMax: REMOVE_TRIES_MAX, again: () => true });
    } catch (error) {
      log.error({ container: this.name, error: errorMessage(error) }, 'container could not be removed');
      return;
    }
    await this.#exited;
  }

  async #call(done: string, ask: (options: { abortSignal: AbortSignal }) => Promise<unknown>): Promise<void> {
    try {
      await ask({ abortSignal: AbortSignal.timeout(this.#options.callTimeoutMs) });
    } catch (error) {
      const text = `container ${this.name} could not be ${done}: ${errorMessage(error)}`;
      throw new PluginError('ERR_CONTAINER_GONE', text, { cause: error });
    }
  }
}

/** `docker rm -f` with the container's anonymous volumes; one that is gone or going is fine. */
export async function removeByForce(handle: Dockerode.Container, timeoutMs: number): Promise<void> {
  try {
    await handle.remove({ force: true, v: true, abortSignal: AbortSignal.timeout(timeoutMs) });
  } catch (error) {
    const status = statusOf(error);
    if (status !== 404 && status !== 409) throw error;
  }
}

/** HTTP status of an engine's refusal; undefined for any other error. */
function statusOf(error: unknown): number | undefined {
  const { statusCode } = error as { statusCode?: unknown };
  return typeof statusCode === 'number' ? statusCode : undefined;
}
