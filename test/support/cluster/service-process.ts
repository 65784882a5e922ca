import { type ChildProcess, spawn } from 'node:child_process';
import { endProcess } from '@tetris/common';

/** The end of a service's log, for the error of a test that fails. */
const LOG_CHARACTERS_MAX = 20_000;

/** One of the plugin's services as the operator runs it: its `main.js`, configured by the environment alone. */
export class ServiceProcess {
  readonly name: string;
  readonly #mainPath: string;
  readonly #env: Readonly<Record<string, string>>;
  #child: ChildProcess | undefined;
  #log = '';

  constructor(name: string, mainPath: string, env: Readonly<Record<string, string>>) {
    this.name = name;
    this.#mainPath = mainPath;
    this.#env = env;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get log(): string {
    return `--- ${this.name}\n${this.#log}`;
  }

  start(): void {
    const { PATH = '', HOME = '' } = process.env;
    const child = spawn(process.execPath, [this.#mainPath], {
      env: { PATH, HOME, ...this.#env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const keep = (text: Buffer): void => {
      this.#log = (this.#log + text.toString()).slice(-LOG_CHARACTERS_MAX);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    this.#child = child;
  }

  /** SIGTERM drains, SIGKILL is a crash. Resolves with the exit code, null where a signal ended it. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    return this.#child === undefined ? null : endProcess(this.#child, signal);
  }
}
