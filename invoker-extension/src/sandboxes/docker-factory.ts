import { dirname } from 'node:path';
import { errorMessage, isInside, isPluginError, type Logger, PluginError, Semaphore } from '@tetris/common';
import Dockerode from 'dockerode';
import { ActionClient } from './action-client';
import type { Container, ContainerFactory, ContainerSpec } from './container';
import { CONTAINER_PORT, type ModelRoot } from './container-paths';
import type { DockerConfig } from './docker-config';
import { DockerContainer, removeByForce } from './docker-container';
import { parseExtraArgs } from './docker-extra-args';
import { memoryCgroup } from './docker-memory';
import { containerRequest, INSTANCE_LABEL, INVOKER_LABEL, type RequestSettings } from './docker-request';

export interface DockerFactoryOptions {
  config: DockerConfig;
  /** Unique on the engine: what carries its label is this invoker's. */
  invoker: string;
  /** Memory for all containers of this invoker, bytes. */
  userMemoryBytes: number;
  /** The daemon's instance socket; its folder is mounted. Undefined without a daemon. */
  daemonSocketPath?: string | undefined;
  /** The daemon's operator socket, which must lie in another folder. */
  operatorSocketPath?: string | undefined;
  modelRoots?: readonly ModelRoot[];
  log: Logger;
}

/** Containers of a Docker engine, with the stock invoker's arguments and more confinement. */
export class DockerFactory implements ContainerFactory {
  readonly #options: DockerFactoryOptions;
  readonly #settings: RequestSettings;
  readonly #docker: Dockerode;
  readonly #creates: Semaphore;
  readonly #containers = new Set<Container>();

  /**
   * @throws PluginError `ERR_CONFIG_INVALID` for extra arguments that cannot be understood, and for an operator socket
   *   in the folder that containers see
   */
  constructor(options: DockerFactoryOptions) {
    const { config } = options;
    refuseExposure(options);
    this.#options = options;
    this.#settings = {
      ...options,
      modelRoots: options.modelRoots ?? [],
      extraArgs: parseExtraArgs(config.dockerExtraArgs),
    };
    this.#docker = new Dockerode({ socketPath: config.dockerSocketPath });
    this.#creates = new Semaphore(config.dockerParallelCreates, config.dockerCreatesWaitingMax);
  }

  async create(spec: ContainerSpec): Promise<Container> {
    try {
      const container = await this.#creates.run(() => this.#start(spec));
      this.#containers.add(container);
      void container.ended.then(() => this.#containers.delete(container));
      return container;
    } catch (error) {
      const text = `container ${spec.name} did not start: ${errorMessage(error)}`;
      const retriable = isPluginError(error) && error.retriable;
      throw new PluginError('ERR_CONTAINER_START', text, { cause: error, retriable });
    }
  }

  async removeOrphans(): Promise<string[]> {
    const filters = { label: [`${INVOKER_LABEL}=${this.#options.invoker}`] };
    const orphans = await this.#docker.listContainers({ all: true, filters, abortSignal: this.#timeout() });
    await Promise.all(orphans.map(({ Id }) => this.#creates.run(() => this.#remove(Id))));
    return orphans.map(({ Labels }) => Labels[INSTANCE_LABEL] ?? '').filter((token) => token !== '');
  }

  async close(): Promise<void> {
    await Promise.all([...this.#containers].map((container) => container.destroy()));
  }

  async #start(spec: ContainerSpec): Promise<DockerContainer> {
    const request = containerRequest(spec, this.#settings);
    const name = request.name ?? spec.name;
    try {
      const handle = await this.#docker.createContainer({ ...request, abortSignal: this.#timeout() });
      await handle.start({ abortSignal: this.#timeout() });
      const { State, NetworkSettings } = await handle.inspect({ abortSignal: this.#timeout() });
      const host = Object.values(NetworkSettings.Networks).find(({ IPAddress }) => IPAddress !== '')?.IPAddress;
      if (host === undefined) throw new Error(`it ended at once (${State.ExitCode}) or has no address`);
      return new DockerContainer({
        name,
        handle,
        client: new ActionClient({ host, port: CONTAINER_PORT }),
        logs: await handle.logs({ follow: true, stdout: true, stderr: true, timestamps: true }),
        cgroup: await memoryCgroup(State.Pid),
        callTimeoutMs: this.#options.config.dockerCallTimeoutMs,
        log: this.#options.log,
      });
    } catch (error) {
      // By name: a call that ran out of time may have created it all the same.
      await this.#remove(name).catch(() => undefined);
      throw error;
    }
  }

  #remove(idOrName: string): Promise<void> {
    return removeByForce(this.#docker.getContainer(idOrName), this.#options.config.dockerCallTimeoutMs);
  }

  #timeout(): AbortSignal {
    return AbortSignal.timeout(this.#options.config.dockerCallTimeoutMs);
  }
}

/** Whoever can open the operator socket can release other tenants' tensors. */
function refuseExposure({ daemonSocketPath, operatorSocketPath }: DockerFactoryOptions): void {
  if (daemonSocketPath === undefined || operatorSocketPath === undefined) return;
  if (!isInside(dirname(daemonSocketPath), operatorSocketPath)) return;
  const text = `the operator socket '${operatorSocketPath}' lies in the folder of the instance socket, which containers see`;
  throw new PluginError('ERR_CONFIG_INVALID', `${text}; give the instance socket a folder of its own`);
}
