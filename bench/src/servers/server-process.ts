/** A real server as a child process on loopback, with a temp folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { endProcess, removeFolder, temporaryFolder } from '@tetris/common';

const READY_TIMEOUT_MS = 60_000;
/** The end of a server's output, for the error that says why it did not start. */
const OUTPUT_CHARACTERS_MAX = 4_000;

/** What a started server offers, whichever it is. */
export interface RunningServer {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  /** Takes the server away; port and folder stay. */
  down(): Promise<void>;
  /** Brings it back at the same port; resolves when it answers. */
  up(): Promise<void>;
  /** `down` and `up`. */
  restart(): Promise<void>;
  /** Ends the process and removes its folder. May be called twice. */
  stop(): Promise<void>;
}

export interface Launch {
  name: string;
  command: string;
  args: string[];
  port: number;
  /** Removed by `stop`. */
  folder: string;
  /** Rejects while the server does not answer. @param output the end of what it has said */
  answers: (output: string) => Promise<void>;
  /** Beside this process's own. */
  env?: Readonly<Record<string, string>>;
  /** @default this process's own */
  cwd?: string;
  /** @default 60,000 */
  readyTimeoutMs?: number;
  /** @default SIGTERM */
  endSignal?: NodeJS.Signals;
}

/** One server process that can go down and come up again. */
export class ServerProcess implements RunningServer {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly #launch: Launch;
  #child: ChildProcess | undefined;
  #output = '';

  private constructor(launch: Launch) {
    this.#launch = launch;
    this.port = launch.port;
  }

  /** Starts the process and resolves when it answers; leaves nothing behind if it does not. */
  static async start(launch: Launch): Promise<ServerProcess> {
    const server = new ServerProcess(launch);
    try {
      await server.up();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async up(): Promise<void> {
    const { name, command, args, answers, env, cwd, readyTimeoutMs = READY_TIMEOUT_MS } = this.#launch;
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env }, cwd });
    this.#child = child;
    let failure: Error | undefined;
    child.once('error', (error) => (failure = error));
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text: Buffer) => this.#keep(text));
    const giveUpMs = Date.now() + readyTimeoutMs;
    for (;;) {
      if (failure !== undefined || child.exitCode !== null || Date.now() > giveUpMs) {
        throw new Error(`${name} did not start: ${failure?.message ?? this.#output}`);
      }
      try {
        await answers(this.#output);
        return;
      } catch {
        await delay(50);
      }
    }
  }

  async down(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child !== undefined) await endProcess(child, this.#launch.endSignal ?? 'SIGTERM');
  }

  async restart(): Promise<void> {
    await this.down();
    await this.up();
  }

  async stop(): Promise<void> {
    await this.down();
    await removeFolder(this.#launch.folder);
  }

  #keep(text: Buffer): void {
    this.#output = (this.#output + text.toString()).slice(-OUTPUT_CHARACTERS_MAX);
  }
}

/** A fresh folder for one server. */
export const serverFolder = (): Promise<string> => temporaryFolder(tmpdir());

/** Below the ports that systems give to outgoing connections, one of which could take it meanwhile. */
const PORTS = { from: 20_000, count: 12_000 };
const PORTS_TRIED_MAX = 50;

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (let tried = 0; tried < PORTS_TRIED_MAX; tried += 1) {
    const port = PORTS.from + Math.floor(Math.random() * PORTS.count);
    if (await isFree(port)) return port;
  }
  throw new Error('no free port');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Rejects unless something accepts connections at the port. */
export function accepts(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}
