import { DaemonOperator } from '@tetris/common';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { StockSite } from '../demo/stock-site';
import { folderBytes } from '../measure/folder-bytes';
import { processMemory } from '../measure/process-memory';
import type { ActionReport } from '../demo/cloud';
import type { DemoFunction } from '../demo/settings';
import type { Site, Work } from '../demo/site';

const STARTS_WITHIN_MS = 10_000;
const POLL_MS = 20;

/** A tensor daemon and plain processes that lease from it by hand: no platform, no action runtime. */
export class DaemonSite implements Site {
  readonly operator: DaemonOperator;
  readonly storePath: string;
  readonly #daemon: ChildProcess;
  readonly #instances: StockSite;

  private constructor(folder: string, storePath: string, daemon: ChildProcess, socket: string) {
    this.storePath = storePath;
    this.operator = new DaemonOperator(join(folder, 'operator.sock'));
    this.#daemon = daemon;
    this.#instances = new StockSite(join(__dirname, 'leased-action.js'), ({ name }) => join(folder, `${name}.onnx`), {
      TETRIS_BENCH_SOCKET: socket,
      TETRIS_BENCH_VIEWS: join(storePath, 'views'),
      // As the invoker extension sets it: freed memory goes back to the system.
      MALLOC_TRIM_THRESHOLD_: '131072',
    });
  }

  /**
   * @param folder where the models are; the sockets go there too
   * @param storePath created where it is missing
   */
  static async start(folder: string, storePath: string): Promise<DaemonSite> {
    await mkdir(storePath, { recursive: true });
    const socket = join(folder, 'instance.sock');
    const main = join(dirname(require.resolve('@tetris/tensor-daemon')), 'main.js');
    const daemon = spawn(process.execPath, [main], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        TETRIS_DAEMON_SOCKET_PATH: socket,
        TETRIS_DAEMON_OPERATOR_SOCKET_PATH: join(folder, 'operator.sock'),
        TETRIS_DAEMON_STORE_PATH: storePath,
        TETRIS_DAEMON_MODEL_ROOTS: folder,
        TETRIS_DAEMON_LOG_LEVEL: 'warn',
      },
    });
    const site = new DaemonSite(folder, storePath, daemon, socket);
    try {
      await site.#ready();
    } catch (error) {
      await site.stop();
      throw error;
    }
    return site;
  }

  addInstance(wanted: DemoFunction, work: Work): Promise<ActionReport> {
    return this.#instances.addInstance(wanted, work);
  }

  invoke(wanted: DemoFunction, work: Work): Promise<ActionReport> {
    return this.#instances.invoke(wanted, work);
  }

  release(): Promise<void> {
    return this.#instances.release();
  }

  async memoryBytes(): Promise<number> {
    const pids = [...this.#instances.pids, this.#daemon.pid ?? 0];
    return processMemory(pids, this.storePath).ownBytes + (await folderBytes(this.storePath));
  }

  async stop(): Promise<void> {
    await this.#instances.stop();
    if (this.#daemon.exitCode !== null || this.#daemon.signalCode !== null) return;
    const ended = once(this.#daemon, 'exit');
    this.#daemon.kill('SIGTERM');
    await ended;
  }

  async #ready(): Promise<void> {
    const deadlineMs = performance.now() + STARTS_WITHIN_MS;
    for (;;) {
      try {
        await this.operator.health();
        return;
      } catch (error) {
        if (performance.now() > deadlineMs) throw error;
        await delay(POLL_MS);
      }
    }
  }
}
