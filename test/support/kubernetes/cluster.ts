/** A cluster of one node in this process: API server, kubelet, and factories of invokers on it. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configSchema, createLogger, readConfig } from '@tetris/common';
import {
  KUBERNETES_KEYS,
  type KubernetesConfig,
  KubernetesFactory,
  type KubernetesFactoryOptions,
} from '@tetris/invoker-extension';
import { ApiServer, type ApiServerOptions } from './api-server';
import { Kubelet, type KubeletOptions, type PodRuntime } from './kubelet';

const NODE = 'node-1';

export interface ClusterOptions {
  runtime: PodRuntime;
  server?: ApiServerOptions;
  refuse?: KubeletOptions['refuse'];
}

export class KubernetesCluster {
  readonly server: ApiServer;
  readonly kubelet: Kubelet;
  readonly folder = mkdtempSync(join(tmpdir(), 'tetris-kubernetes-'));

  private constructor({ runtime, server, refuse }: ClusterOptions) {
    this.server = new ApiServer(server);
    this.server.nodes.create({ metadata: { name: NODE } }, '');
    this.kubelet = new Kubelet({
      server: this.server,
      runtime,
      node: NODE,
      logsPath: this.logsPath,
      cgroupPath: join(this.folder, 'cgroup'),
      ...(refuse && { refuse }),
    });
  }

  static async start(options: ClusterOptions): Promise<KubernetesCluster> {
    const cluster = new KubernetesCluster(options);
    await cluster.server.start();
    return cluster;
  }

  get logsPath(): string {
    return join(this.folder, 'logs');
  }

  /** @param keys `kubernetesStartMs` and the like, as they would stand in the environment */
  config(keys: Record<string, unknown> = {}): KubernetesConfig {
    const overrides = {
      kubernetesUrl: this.server.url,
      kubernetesNamespace: this.server.namespace,
      kubernetesNode: NODE,
      kubernetesTokenPath: 'none',
      kubernetesLogsPath: this.logsPath,
      kubernetesCgroupPath: join(this.folder, 'cgroup'),
      ...keys,
    };
    return readConfig(configSchema('invoker', KUBERNETES_KEYS), {}, overrides);
  }

  factory({
    keys = {},
    ...options
  }: { keys?: Record<string, unknown> } & Partial<Omit<KubernetesFactoryOptions, 'config'>> = {}): KubernetesFactory {
    return new KubernetesFactory({
      config: this.config(keys),
      invoker: 'invoker0',
      log: createLogger('invoker', 'silent'),
      ...options,
    });
  }

  /** Names of the pods that are there. */
  pods(): string[] {
    return this.server.pods.list().map(({ metadata }) => metadata.name);
  }

  /** What of pods is left on the node. */
  leftOnNode(): string[] {
    return existsSync(this.logsPath) ? readdirSync(this.logsPath) : [];
  }

  async stop(): Promise<void> {
    await this.kubelet.stop();
    await this.server.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
