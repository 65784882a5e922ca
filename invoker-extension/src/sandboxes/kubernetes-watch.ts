import { setTimeout as sleep } from 'node:timers/promises';
import { type Backoff, errorMessage, type Logger, pauseMs } from '@tetris/common';
import { type KubernetesClient, refusal, statusOf } from './kubernetes-client';
import type { Pod } from './kubernetes-types';

export interface PodWatchOptions {
  client: Pick<KubernetesClient, 'listPods' | 'watchPods'>;
  labelSelector: string;
  /** Longest life of one watch, ms. */
  lifeMs: number;
  /** After failures that follow each other. */
  backoff: Backoff;
  /** A pod is new or has changed; each is told again with each list and each new watch. */
  onPod: (pod: Pod) => void;
  /** A pod is no longer there; with what was last known of it. */
  onGone: (pod: Pod) => void;
  log: Logger;
}

interface Known {
  pod: Pod;
  /** The list that was last begun when it became known. */
  list: number;
}

const TOO_MANY = 429;

/**
 * All pods of a selector, kept up to date by list and watch: one list, then changes from its version on. A watch that
 * ends is continued at the last version; only where the server no longer knows that version (410) is there another
 * list.
 */
export class PodWatch {
  readonly #options: PodWatchOptions;
  readonly #known = new Map<string, Known>();
  readonly #stopped = new AbortController();
  #lists = 0;
  /** The watch of now has told something: it is no failure, however it ends. */
  #told = false;
  #version: string | undefined;
  #started: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: PodWatchOptions) {
    this.#options = options;
  }

  /** What is known, by name. */
  get pods(): ReadonlyMap<string, { pod: Pod }> {
    return this.#known;
  }

  /**
   * Resolves when the first list is known; idempotent. @throws PluginError `ERR_KUBERNETES_API`; may be called again
   */
  start(): Promise<void> {
    return (this.#started ??= this.#list().then(
      () => {
        this.#running = this.#run();
      },
      (error: unknown) => {
        this.#started = undefined;
        throw error;
      },
    ));
  }

  /**
   * A pod that was created just now: where its whole life falls between a lost watch and the next list, that list
   * tells that it is gone.
   */
  expect(pod: Pod): void {
    if (!this.#known.has(pod.metadata.name)) this.#changed(pod);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    let failures = 0;
    while (!signal.aborted) {
      this.#told = false;
      try {
        if (this.#version === undefined) await this.#list();
        else for (const { pod } of [...this.#known.values()]) this.#options.onPod(pod);
        await this.#watch();
      } catch (error) {
        this.#failed(error);
      }
      // Also a watch that ends in order without a word: a server that ends each at once is not asked in a loop.
      failures = this.#told ? 0 : failures + 1;
      const afterMs = failures === 0 ? 0 : pauseMs(this.#options.backoff, failures);
      await sleep(afterMs, undefined, { ref: false, signal }).catch(() => undefined);
    }
  }

  /** Where the connection was lost or there were too many requests, the version still holds. */
  #failed(error: unknown): void {
    if (this.#stopped.signal.aborted) return;
    this.#options.log.debug({ reason: errorMessage(error) }, 'watch of pods is begun again');
    const status = statusOf(error);
    if (status !== undefined && status !== TOO_MANY) this.#version = undefined;
  }

  async #list(): Promise<void> {
    const { client, labelSelector } = this.#options;
    const list = (this.#lists += 1);
    const { metadata, items } = await client.listPods(labelSelector);
    const names = new Set(items.map((pod) => pod.metadata.name));
    for (const [name, known] of this.#known) if (!names.has(name) && known.list < list) this.#gone(name, known.pod);
    for (const pod of items) this.#changed(pod);
    this.#version = metadata.resourceVersion;
  }

  async #watch(): Promise<void> {
    const { client, labelSelector, lifeMs } = this.#options;
    const options = { labelSelector, resourceVersion: this.#version ?? '', lifeMs };
    for await (const event of client.watchPods(options, this.#stopped.signal)) {
      this.#told = event.type !== 'ERROR';
      switch (event.type) {
        case 'ERROR':
          throw refusal(event.object.code ?? 0, event.object);
        case 'ADDED':
        case 'MODIFIED':
          this.#changed(event.object);
          break;
        case 'DELETED':
          this.#gone(event.object.metadata.name, event.object);
          break;
        case 'BOOKMARK':
          break;
      }
      this.#version = event.object.metadata.resourceVersion ?? this.#version;
    }
  }

  #changed(pod: Pod): void {
    this.#known.set(pod.metadata.name, { pod, list: this.#lists });
    this.#options.onPod(pod);
  }

  #gone(name: string, pod: Pod): void {
    this.#known.delete(name);
    this.#options.onGone(pod);
  }
}
