import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DaemonClient, DaemonOperator, environmentName, type LeaseRequest, endProcess } from '@tetris/common';
import { until } from './until';

const MAIN = join(__dirname, '../../tensor-daemon/dist/main.js');

/** A fresh folder on the tmpfs where there is one. */
export function tmpfsFolder(prefix: string): string {
  return mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), prefix));
}

/** A real tensor daemon in a process of its own, over a store that lives as long as this object. */
export class TestDaemon {
  readonly folder = tmpfsFolder('tetris-daemon-test-');
  readonly store = join(this.folder, 'store');
  readonly client = new DaemonClient(join(this.folder, 'instance.sock'));
  readonly operator = new DaemonOperator(join(this.folder, 'operator.sock'));
  #process: ChildProcess | undefined;
  #said = '';

  /** What it has written to stderr. */
  get said(): string {
    return this.#said;
  }

  /**
   * How often it has logged each message, once it has logged all at least as often as in `counts`: what it logs
   * reaches us a little after what it does.
   */
  async logged<Message extends string>(counts: Record<Message, number>): Promise<Record<Message, number>> {
    const count = (): Record<Message, number> => {
      const messages = Object.keys(counts) as Message[];
      const found = messages.map((message) => [message, this.#said.split(`"${message}"`).length - 1]);
      return Object.fromEntries(found) as Record<Message, number>;
    };
    const heard = (): boolean => Object.entries<number>(count()).every(([name, n]) => n >= counts[name as Message]);
    await until(heard, `the daemon logs ${JSON.stringify(counts)}`);
    return count();
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** What tells an instance of it. @param modelRoots folders that both see under the same paths */
  instanceEnvironment(modelRoots: string): Record<string, string> {
    return {
      TETRIS_RUNTIME_DAEMON_SOCKET: join(this.folder, 'instance.sock'),
      TETRIS_RUNTIME_VIEWS: join(this.store, 'views'),
      TETRIS_RUNTIME_MODEL_ROOTS: modelRoots,
    };
  }

  environment(config: Readonly<Record<string, string | number>> = {}): Record<string, string> {
    const keys = {
      socketPath: join(this.folder, 'instance.sock'),
      operatorSocketPath: join(this.folder, 'operator.sock'),
      storePath: this.store,
      sweepIntervalMs: 50,
      ...config,
    };
    return Object.fromEntries(
      Object.entries(keys).map(([key, value]) => [environmentName('daemon', key), String(value)]),
    );
  }

  /** @param config keys of the daemon's configuration */
  async start(config: Readonly<Record<string, string | number>> = {}): Promise<void> {
    const child = spawn(process.execPath, [MAIN], {
      env: { PATH: process.env.PATH, ...this.environment(config) },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#process = child;
    this.#said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#said += text));
    const ready = async (): Promise<boolean> => {
      const end = child.exitCode ?? child.signalCode;
      if (end !== null) throw new Error(`the daemon ended with ${end}: ${this.#said}`);
      return (await this.operator.health().catch(() => undefined))?.state === 'ready' && this.#said.includes('"ready"');
    };
    await until(ready, 'the daemon is ready');
  }

  /** Resolves to the signal that ended it, or its exit code, where it ends by itself. */
  async ended(timeoutMs?: number): Promise<string | number | null> {
    const child = this.#process;
    const end = (): string | number | null => child?.signalCode ?? child?.exitCode ?? null;
    await until(() => child === undefined || end() !== null, 'the daemon ends by itself', timeoutMs);
    this.#process = undefined;
    return end();
  }

  /** Ends it; the store stays. @returns its exit code, null where the signal ended it */
  async end(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<number | null> {
    const child = this.#process;
    this.#process = undefined;
    return child === undefined ? null : endProcess(child, signal);
  }

  /** Ends it and removes everything. */
  async dispose(): Promise<void> {
    await this.end('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  viewPath(view: string): string {
    return join(this.store, 'views', view);
  }

  files(folder: string): string[] {
    return readdirSync(join(this.store, folder));
  }

  /** Link counts of all tensors. */
  links(): Map<string, number> {
    return new Map(
      this.files('tensors').map((sha256) => [sha256, statSync(join(this.store, 'tensors', sha256)).nlink]),
    );
  }
}

/** A model file as a lease's source. */
export function fileSource(path: string): Extract<LeaseRequest['source'], { kind: 'file' }> {
  const { size, mtimeMs } = statSync(path);
  return { kind: 'file', path, bytes: size, mtimeMs };
}

/** A file in which the kernel of another machine describes a CPU that has less than this one. @returns its path */
export function otherCpu(folder: string): string {
  const path = join(folder, 'cpuinfo');
  writeFileSync(path, 'processor\t: 0\nflags\t\t: fpu sse sse2\n');
  return path;
}
