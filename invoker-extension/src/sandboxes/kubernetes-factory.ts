import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage, isPluginError, type Logger, PluginError, Semaphore } from '@tetris/common';
import { ActionClient } from './action-client';
import type { Container, ContainerFactory, ContainerSpec } from './container';
import { CONTAINER_PORT, type ModelRoot } from './container-paths';
import { PodCalls } from './kubernetes-calls';
import { KubernetesClient } from './kubernetes-client';
import type { KubernetesConfig } from './kubernetes-config';
import { KubernetesContainer } from './kubernetes-container';
import { PodFollower } from './kubernetes-follower';
import { INSTANCE_ANNOTATION, INVOKER_LABEL, parseExtraSpec, podRequest, type PodSettings } from './kubernetes-pod';
import type { Pod } from './kubernetes-types';
import { PodWatch } from './kubernetes-watch';

export interface KubernetesFactoryOptions {
  config: KubernetesConfig;
  /** Unique in the namespace, and a label's value: what carries it is this invoker's. */
  invoker: string;
  /** The daemon's instance socket on the node; its folder is mounted. Undefined without a daemon. */
  daemonSocketPath?: string | undefined;
  modelRoots?: readonly ModelRoot[];
  log: Logger;
}

/** Between attempts of a call. */
const BACKOFF = { firstMs: 100, maxMs: 5_000 };
/** Between watches that tell nothing: all that happens meanwhile is learned only afterwards. */
const WATCH_BACKOFF = { firstMs: 50, maxMs: 1_000 };

/** Pods of a Kubernetes cluster, all on the invoker's own node. */
export class KubernetesFactory implements ContainerFactory {
  readonly #options: KubernetesFactoryOptions;
  readonly #settings: PodSettings;
  readonly #client: KubernetesClient;
  readonly #calls: PodCalls;
  readonly #watch: PodWatch;
  readonly #creates: Semaphore;
  /** Every pod that is wanted or is being removed, by name. One without is somebody's leftover, and is removed. */
  readonly #followers = new Map<string, PodFollower>();
  readonly #removals = new Map<string, Promise<void>>();
  readonly #containers = new Set<Container>();
  readonly #starting = new Set<Promise<unknown>>();
  #closed = false;

  /** @throws PluginError `ERR_CONFIG_INVALID` for keys that lack or cannot be understood */
  constructor(options: KubernetesFactoryOptions) {
    const { config, invoker, log } = options;
    if (config.kubernetesNode === '') {
      throw new PluginError(
        'ERR_CONFIG_INVALID',
        'kubernetesNode is needed: the name of the node that the invoker is on',
      );
    }
    this.#options = options;
    this.#settings = {
      ...options,
      modelRoots: options.modelRoots ?? [],
      life: randomBytes(3).toString('hex'),
      extraSpec: parseExtraSpec(config.kubernetesExtraSpec),
    };
    this.#client = kubernetesClient(config);
    this.#calls = new PodCalls({ client: this.#client, backoff: BACKOFF, waitMaxMs: config.kubernetesCallTimeoutMs });
    this.#watch = new PodWatch({
      client: this.#client,
      labelSelector: `${INVOKER_LABEL}=${invoker}`,
      lifeMs: config.kubernetesWatchMs,
      backoff: WATCH_BACKOFF,
      onPod: (pod) => this.#seen(pod),
      onGone: (pod) => this.#followers.get(pod.metadata.name)?.deleted(pod),
      log,
    });
    this.#creates = new Semaphore(config.kubernetesParallelCreates, config.kubernetesCreatesWaitingMax);
  }

  async create(spec: ContainerSpec): Promise<Container> {
    const starting = this.#creates.run(() => this.#start(spec));
    this.#starting.add(starting);
    try {
      const container = await starting;
      this.#containers.add(container);
      void container.ended.then(() => this.#containers.delete(container));
      return container;
    } catch (error) {
      const code = isPluginError(error) ? `${error.code}: ` : '';
      const text = `container ${spec.name} did not start: ${code}${errorMessage(error)}`;
      const retriable = isPluginError(error) && error.retriable;
      throw new PluginError('ERR_CONTAINER_START', text, { cause: error, retriable });
    } finally {
      this.#starting.delete(starting);
    }
  }

  async removeOrphans(): Promise<string[]> {
    await this.#watching();
    const orphans = [...this.#watch.pods.values()].filter(({ pod }) => this.#removals.has(pod.metadata.name));
    await Promise.all(this.#removals.values());
    return orphans.flatMap(({ pod }) => pod.metadata.annotations?.[INSTANCE_ANNOTATION] ?? []);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#starting);
    await Promise.all([...this.#containers].map((container) => container.destroy()));
    await Promise.all(this.#removals.values());
    await this.#watch.stop();
    await this.#client.close();
  }

  async #start(spec: ContainerSpec): Promise<KubernetesContainer> {
    const { config, log } = this.#options;
    const request = podRequest(spec, this.#settings);
    const follower = new PodFollower();
    this.#followers.set(request.metadata.name, follower);
    try {
      if (this.#closed) throw new Error('the invoker is stopping');
      await this.#watching();
      const pod = await this.#calls.create(request, config.kubernetesStartMs);
      this.#watch.expect(pod);
      const host = await follower.listening(CONTAINER_PORT, config.kubernetesStartMs);
      return new KubernetesContainer({
        pod,
        follower,
        client: new ActionClient({ host, port: CONTAINER_PORT }),
        api: this.#client,
        logsPath: pathOf(config.kubernetesLogsPath),
        cgroupPath: config.kubernetesCgroupPath,
        remove: () => this.#remove(pod, follower),
        log,
      });
    } catch (error) {
      const told = await this.#calls.withEvents(error, follower.pod);
      await this.#remove(follower.pod ?? request, follower);
      throw told;
    }
  }

  /** Resolves when the pods are known; an API server that is away is asked for as long as a start may take. */
  async #watching(): Promise<void> {
    await this.#calls.repeat(() => this.#watch.start(), this.#options.config.kubernetesStartMs);
  }

  /** A pod without follower is of an earlier life, of a start that was given up, or could not be removed before. */
  #seen(pod: Pod): void {
    const { name } = pod.metadata;
    const known = this.#followers.get(name);
    if (known !== undefined) return known.changed(pod);
    const follower = new PodFollower();
    this.#followers.set(name, follower);
    follower.changed(pod);
    void this.#remove(pod, follower);
  }

  /**
   * Removes a pod and forgets it, once. What is left over all the same is seen again and removed then. Never throws.
   */
  #remove(pod: Pod, follower: PodFollower): Promise<void> {
    const { name } = pod.metadata;
    const known = this.#removals.get(name);
    if (known !== undefined) return known;
    const removal = this.#end(pod, follower).finally(() => {
      this.#removals.delete(name);
      this.#followers.delete(name);
    });
    this.#removals.set(name, removal);
    return removal;
  }

  async #end(pod: Pod, follower: PodFollower): Promise<void> {
    const { kubernetesRemoveMs: withinMs, kubernetesGraceS: graceS } = this.#options.config;
    const late = sleep(withinMs, 'late', { ref: false });
    try {
      const isThere = await this.#calls.remove(pod, graceS, withinMs);
      if (!isThere || (await Promise.race([follower.gone, late])) !== 'late') return;
      throw new Error(`it is still there after ${withinMs} ms`);
    } catch (error) {
      const { name } = pod.metadata;
      this.#options.log.error({ container: name, reason: errorMessage(error) }, 'pod could not be removed');
    } finally {
      follower.deleted(pod);
    }
  }
}

/** A client as the keys say. @throws PluginError `ERR_CONFIG_INVALID` */
export function kubernetesClient(config: KubernetesConfig): KubernetesClient {
  return new KubernetesClient({
    url: config.kubernetesUrl,
    namespace: config.kubernetesNamespace,
    tokenPath: pathOf(config.kubernetesTokenPath),
    caPath: pathOf(config.kubernetesCaPath),
    callTimeoutMs: config.kubernetesCallTimeoutMs,
  });
}

const pathOf = (text: string): string | undefined => (text === 'none' || text === '' ? undefined : text);
