import { DaemonOperator, endProcess } from '@tetris/common';
import { type ChildProcess, spawn } from 'node:child_process';
import { get } from 'node:http';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';

const READY_WITHIN_MS = 10_000;
const POLL_MS = 20;

/** A tensor daemon in a process of its own. */
export class DaemonProcess {
  readonly socketPath: string;
  readonly operator: DaemonOperator;
  readonly #operatorSocketPath: string;
  readonly #child: ChildProcess;

  /**
   * Starts it; {@link ready} tells when it answers.
   *
   * @param folder models are leased from here, and the sockets are put here
   * @param settings further `TETRIS_DAEMON_` variables
   */
  constructor(folder: string, storePath: string, settings: Readonly<Record<string, string>> = {}) {
    this.socketPath = join(folder, 'instance.sock');
    this.#operatorSocketPath = join(folder, 'operator.sock');
    this.operator = new DaemonOperator(this.#operatorSocketPath);
    const main = join(dirname(require.resolve('@tetris/tensor-daemon')), 'main.js');
    this.#child = spawn(process.execPath, [main], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        TETRIS_DAEMON_SOCKET_PATH: this.socketPath,
        TETRIS_DAEMON_OPERATOR_SOCKET_PATH: this.#operatorSocketPath,
        TETRIS_DAEMON_STORE_PATH: storePath,
        TETRIS_DAEMON_MODEL_ROOTS: folder,
        TETRIS_DAEMON_LOG_LEVEL: 'warn',
        ...settings,
      },
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Its metrics, as Prometheus text. */
  async metrics(): Promise<string> {
    return new Promise((resolve, reject) => {
      const request = get({ socketPath: this.#operatorSocketPath, path: '/metrics' }, (reply) => {
        text(reply).then(resolve, reject);
      });
      request.once('error', reject);
    });
  }

  /** @throws PluginError `ERR_DAEMON_UNAVAILABLE` where it does not answer in time */
  async ready(): Promise<void> {
    const deadlineMs = performance.now() + READY_WITHIN_MS;
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

  /** Idempotent. */
  async stop(): Promise<void> {
    await endProcess(this.#child, 'SIGTERM');
  }
}
