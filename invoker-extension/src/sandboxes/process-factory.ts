import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorMessage, isInside, makeFolder, PluginError } from '@tetris/common';
import type { Container, ContainerFactory, ContainerSpec } from './container';
import { instanceEnvironment } from './environment';
import { ProcessContainer } from './process-container';
import { killWhere } from './process-environments';

export interface ProcessFactoryOptions {
  /** Program and arguments of the action runtime. */
  command: readonly string[];
  /**
   * Folder of this invoker alone, created when missing; below it a folder for each container. Short: a Unix socket's
   * path may have 107 bytes.
   */
  workPath: string;
  /** The daemon's instance socket; undefined without a daemon. */
  daemonSocketPath?: string | undefined;
  /** Registered model folders; the same inside as outside. */
  modelRoots?: readonly string[];
  /** PATH of the containers. */
  path: string;
  /** @default 250 */
  memoryWatchMs?: number;
}

const SOCKET_PATH_BYTES_MAX = 107;

/**
 * Containers as child processes: the default where there is no Docker. They share the node's file system and network.
 */
export class ProcessFactory implements ContainerFactory {
  readonly #options: ProcessFactoryOptions;
  /** The only folder in which anything is removed. */
  readonly #instances: string;
  readonly #containers = new Set<Container>();

  constructor(options: ProcessFactoryOptions) {
    this.#options = options;
    this.#instances = join(options.workPath, 'instances');
  }

  async create(spec: ContainerSpec): Promise<Container> {
    const folder = join(this.#instances, spec.name);
    const temporaryPath = join(folder, 'tmp');
    const socketPath = join(folder, 's');
    if (Buffer.byteLength(socketPath) > SOCKET_PATH_BYTES_MAX) {
      throw new PluginError(
        'ERR_CONTAINER_START',
        `socket path '${socketPath}' is longer than ${SOCKET_PATH_BYTES_MAX} bytes`,
      );
    }
    try {
      return this.#track(
        await ProcessContainer.start({
          name: spec.name,
          token: spec.instance,
          spawn: async () => {
            await mkdir(temporaryPath, { recursive: true, mode: 0o700 });
            return this.#spawn(spec, { folder, socketPath, temporaryPath });
          },
          socketPath,
          folder,
          sharedPath: spec.viewPath,
          memoryBytesMax: spec.memoryBytes,
          memoryWatchMs: this.#options.memoryWatchMs ?? 250,
        }),
      );
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw new PluginError('ERR_CONTAINER_START', `container ${spec.name} did not start: ${errorMessage(error)}`, {
        cause: error,
      });
    }
  }

  /**
   * Kills every process that an earlier run started: those whose environment names an instance of this work folder,
   * whatever became of its pid.
   */
  async removeOrphans(): Promise<string[]> {
    makeFolder(this.#instances, 0o700);
    const tokens = await killWhere((environment) => isInside(this.#instances, environment.get('TMPDIR') ?? ''));
    for (const name of await readdir(this.#instances)) {
      await rm(join(this.#instances, name), { recursive: true, force: true, maxRetries: 5 });
    }
    return [...tokens];
  }

  async close(): Promise<void> {
    await Promise.all([...this.#containers].map((container) => container.destroy()));
    await rm(this.#instances, { recursive: true, force: true });
    // Whatever else somebody keeps in the work folder stays, and then so does the folder.
    await rmdir(this.#options.workPath).catch(() => undefined);
  }

  #track(container: Container): Container {
    this.#containers.add(container);
    void container.ended.then(() => this.#containers.delete(container));
    return container;
  }

  async #spawn(
    spec: ContainerSpec,
    paths: { folder: string; socketPath: string; temporaryPath: string },
  ): Promise<ChildProcess & { pid: number }> {
    const { command, daemonSocketPath, modelRoots, path } = this.#options;
    const [program, ...args] = command;
    if (program === undefined) throw new Error('no runtime command is configured');
    const env = instanceEnvironment(spec, {
      listen: paths.socketPath,
      daemonSocketPath,
      viewsPath: spec.viewPath === undefined ? undefined : dirname(spec.viewPath),
      modelRoots: modelRoots ?? [],
      temporaryPath: paths.temporaryPath,
    });
    const child = spawn(program, args, {
      cwd: paths.folder,
      env: { PATH: path, HOME: paths.folder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    return child as ChildProcess & { pid: number };
  }
}
