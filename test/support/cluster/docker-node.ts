/**
 * A node of a cluster whose function instances are Docker containers: its tensor daemon and the invoker's environment.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DaemonOperator } from '@tetris/common';
import { type Engine, RUNTIME_IMAGE } from '../docker/engine';
import { mountMemory } from '../docker/namespace';
import { until } from '../until';

const STORE_SIZE = '256m';

export class DockerNode {
  readonly operator: DaemonOperator;
  readonly storePath: string;
  readonly #name: string;
  readonly #folder: string;
  readonly #modelsPath: string;
  #daemon: ChildProcess | undefined;

  /** @param folder inside `inNamespace`; @param modelsPath what containers see as `/models` */
  constructor(name: string, folder: string, modelsPath: string) {
    this.#name = name;
    this.#folder = join(folder, name);
    this.#modelsPath = modelsPath;
    this.storePath = join(this.#folder, 'store');
    this.operator = new DaemonOperator(join(this.#folder, 'operator.sock'));
  }

  /** What the node's invoker extension is told beside its servers. */
  invokerEnv(engine: Engine): Record<string, string> {
    return {
      TETRIS_INVOKER_UNIQUE_NAME: this.#name,
      TETRIS_INVOKER_CONTAINERS: 'docker',
      TETRIS_INVOKER_DOCKER_SOCKET_PATH: engine.socketPath,
      TETRIS_INVOKER_DOCKER_IMAGE: RUNTIME_IMAGE,
      TETRIS_INVOKER_DAEMON_SOCKET_PATH: this.#socketPath,
      TETRIS_INVOKER_DAEMON_OPERATOR_SOCKET_PATH: join(this.#folder, 'operator.sock'),
      TETRIS_INVOKER_MODEL_ROOTS: `/models=${this.#modelsPath}`,
    };
  }

  async start(): Promise<void> {
    mkdirSync(join(this.#folder, 'instance'), { recursive: true, mode: 0o755 });
    mountMemory(this.storePath, STORE_SIZE);
    this.#daemon = spawn(process.execPath, [require.resolve('@tetris/tensor-daemon/dist/main')], {
      env: {
        PATH: process.env['PATH'],
        TETRIS_DAEMON_SOCKET_PATH: this.#socketPath,
        TETRIS_DAEMON_OPERATOR_SOCKET_PATH: join(this.#folder, 'operator.sock'),
        TETRIS_DAEMON_STORE_PATH: this.storePath,
        TETRIS_DAEMON_STORE_BYTES_MAX: STORE_SIZE,
        TETRIS_DAEMON_MODEL_ROOTS: `/models=${this.#modelsPath}`,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const isUp = (): Promise<boolean> =>
      this.operator.health().then(
        ({ state }) => state === 'ready',
        () => false,
      );
    await until(isUp, `the daemon of ${this.#name} is ready`);
  }

  /** Names of the node's containers that are in this state. */
  async containers(engine: Engine, status?: 'running' | 'paused'): Promise<string[]> {
    const filters = [`label=tetris.invoker=${this.#name}`, ...(status === undefined ? [] : [`status=${status}`])];
    const options = filters.flatMap((filter) => ['--filter', filter]);
    const names = await engine.docker('ps', '--all', '--format', '{{.Names}}', ...options);
    return names.split('\n').filter((name) => name !== '');
  }

  async stop(): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === undefined || daemon.exitCode !== null) return;
    const exited = once(daemon, 'exit');
    daemon.kill('SIGKILL');
    await exited;
  }

  /** In a folder of its own, which containers see. */
  get #socketPath(): string {
    return join(this.#folder, 'instance/daemon.sock');
  }
}
