import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { DaemonOperator, endProcess, type Logger, PluginError } from '@tetris/common';
import type { TetherPlan } from './tether';

export interface DaemonProcessOptions {
  env: Readonly<Record<string, string | undefined>>;
  operatorSocketPath: string;
  tether: TetherPlan;
  startTimeoutMs: number;
  /** After SIGTERM, before SIGKILL. */
  stopTimeoutMs: number;
  /** Restarts within {@link RESTART_WINDOW_MS}; a daemon that dies more often is left alone. */
  restartsMax: number;
  log: Logger;
}

const RESTART_WINDOW_MS = 60_000;
const HEALTH_POLL_MS = 20;

/** A tensor daemon as a child process: started, started again when it dies, stopped. */
export class DaemonProcess {
  readonly operator: DaemonOperator;
  readonly #options: DaemonProcessOptions;
  #child: ChildProcess | undefined;
  #restartsMs: number[] = [];
  #stopping = false;

  constructor(options: DaemonProcessOptions) {
    this.#options = options;
    this.operator = new DaemonOperator(options.operatorSocketPath);
  }

  /** Undefined while it is down. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** @throws PluginError `ERR_DAEMON_UNAVAILABLE` where it ends or stays silent; its own message is on stderr */
  async start(): Promise<void> {
    const child = this.#spawn();
    const endMs = Date.now() + this.#options.startTimeoutMs;
    while (!(await this.#healthy())) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > endMs) {
        throw new PluginError('ERR_DAEMON_UNAVAILABLE', 'the tensor daemon did not start; its message is above');
      }
      await sleep(HEALTH_POLL_MS);
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#child !== undefined) await endProcess(this.#child, 'SIGTERM', this.#options.stopTimeoutMs);
  }

  async #healthy(): Promise<boolean> {
    try {
      return (await this.operator.health()).state === 'ready';
    } catch {
      return false;
    }
  }

  #spawn(): ChildProcess {
    const args = ['--require', require.resolve('./tether'), require.resolve('@tetris/tensor-daemon/dist/main.js')];
    const child = spawn(process.execPath, args, {
      env: this.#options.env,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      // A group of its own: Ctrl-C in the terminal is for the platform, which stops its children in order.
      detached: true,
    });
    child.send(this.#options.tether);
    child.on('error', (error) => this.#options.log.error({ err: error }, 'tensor daemon'));
    child.once('exit', (code, signal) => this.#ended(code, signal));
    this.#child = child;
    return child;
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    this.#child = undefined;
    if (this.#stopping) return;
    const { log, restartsMax } = this.#options;
    const nowMs = Date.now();
    this.#restartsMs = this.#restartsMs.filter((atMs) => nowMs - atMs < RESTART_WINDOW_MS);
    const again = this.#restartsMs.length < restartsMax;
    log.error({ code, signal, again }, 'tensor daemon ended');
    if (!again) return;
    this.#restartsMs.push(nowMs);
    this.#spawn();
  }
}
