import { errorMessage, type Logger, PluginError, within } from '@tetris/common';
import type { ActionClient } from './action-client';
import type { ActionPath, CallOptions, Container, ContainerReply, LogLine } from './container';
import { ContainerOutput } from './container-output';
import { cgroupPrivateBytes } from './docker-memory';
import type { KubernetesClient } from './kubernetes-client';
import { ACTION_CONTAINER } from './kubernetes-failure';
import type { PodFollower } from './kubernetes-follower';
import { awaitLog, followLog, logFolder, PodLogReader, readApiLog } from './kubernetes-logs';
import { findCgroup } from './kubernetes-memory';
import type { Pod } from './kubernetes-types';

export interface KubernetesContainerOptions {
  pod: Pod;
  follower: PodFollower;
  client: ActionClient;
  api: Pick<KubernetesClient, 'podLog'>;
  /** The node's folder of pod logs; undefined: the API server is asked for them. */
  logsPath: string | undefined;
  cgroupPath: string;
  /** Deletes the pod and waits for its end. Never throws. */
  remove: () => Promise<void>;
  log: Logger;
}

/** A broken connection may mean that the kernel has killed the container; kubelet tells it about a second later. */
const EXIT_WAIT_MS = 3000;
/** After the container's end its last lines are waited for this long. */
const LAST_LINES_MS = 2000;
/** A container that listens has its log file, or the node keeps none that can be read. */
const LOG_FILE_MS = 2000;

/** A function instance as a pod that listens. */
export class KubernetesContainer implements Container {
  readonly name: string;
  readonly ended: Promise<void>;
  readonly #options: KubernetesContainerOptions;
  readonly #output = new ContainerOutput();
  /** Aborted when nothing more is written. */
  readonly #silent = new AbortController();
  #outOfMemory = false;
  #cgroup: string | undefined;
  #destroyed: Promise<void> | undefined;

  constructor(options: KubernetesContainerOptions) {
    this.name = options.pod.metadata.name;
    this.#options = options;
    this.ended = this.#end(this.#readLogs());
  }

  async post(path: ActionPath, body: string, options: CallOptions): Promise<ContainerReply> {
    const { client, follower } = this.#options;
    const reply = await client.post(path, body, options);
    if (reply.outcome !== 'gone') return reply;
    await within(follower.ended, EXIT_WAIT_MS);
    return this.#outOfMemory ? { outcome: 'out-of-memory' } : reply;
  }

  /** Kubernetes cannot freeze a pod: an idle one just gets nothing to do. */
  async pause(): Promise<void> {}

  async resume(): Promise<void> {}

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

  async privateBytes(): Promise<number | undefined> {
    const { pod, cgroupPath } = this.#options;
    this.#cgroup ??= await findCgroup(cgroupPath, pod.metadata.uid ?? '');
    return this.#cgroup === undefined || this.#silent.signal.aborted ? undefined : cgroupPrivateBytes(this.#cgroup);
  }

  destroy(): Promise<void> {
    return (this.#destroyed ??= this.#options.remove());
  }

  /** Resolves when the last line is read and the pod is no longer there. */
  async #end(logsRead: Promise<void>): Promise<void> {
    const { follower, client, log } = this.#options;
    const { code, text: reason, outOfMemory } = await follower.ended;
    this.#outOfMemory = outOfMemory;
    if (this.#destroyed === undefined)
      log.warn({ container: this.name, code, reason, outOfMemory }, 'pod ended by itself');
    await client.close();
    this.#silent.abort();
    await within(logsRead, LAST_LINES_MS);
    await this.destroy();
  }

  /** Never throws: an action runs without its output too. */
  async #readLogs(): Promise<void> {
    const { pod, logsPath, api, log } = this.#options;
    const { signal } = this.#silent;
    try {
      const folder = logsPath && logFolder(logsPath, pod, ACTION_CONTAINER);
      const path = folder && (await awaitLog(folder, LOG_FILE_MS, signal));
      const reader = new PodLogReader((line) => this.#output.line(line), { plain: path === undefined });
      const onChunk = (chunk: Buffer): void => reader.push(chunk);
      if (path) await followLog(path, onChunk, signal);
      else await readApiLog(await api.podLog(this.name, ACTION_CONTAINER, signal), onChunk, signal);
      reader.end();
    } catch (error) {
      if (!signal.aborted) log.warn({ container: this.name, reason: errorMessage(error) }, 'output of a pod is lost');
    }
  }
}
