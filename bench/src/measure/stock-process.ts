import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { endProcess } from '@tetris/common';

export interface StockProcessOptions {
  /** One answer of an action takes at most this long. @default 60,000 */
  answerTimeoutMs?: number;
  /** Where the process's own output goes. @default 'inherit' */
  output?: 'inherit' | 'ignore';
}

/** onnxruntime's builds since 1.30 report their use over the network, and leave files in TMPDIR, unless told not to. */
const QUIET = { ORT_DISABLE_TELEMETRY: '1' };

/** What the start of a plain process has taken. */
export interface StockStart {
  /** Until its first line ran, as it says itself, ms. */
  startedMs: number;
  /** From then until the action and its libraries were there, ms. */
  requiredMs: number;
}

type Message = { ready: StockStart } | { id: number; result?: unknown; error?: string };

interface Pending {
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
}

/** A fresh Node process with an action in it and nothing of ours: what every figure is compared with. */
export class StockProcess {
  readonly #child: ChildProcess;
  /** Known from before its first answer on. */
  started: StockStart | undefined;
  readonly #answerTimeoutMs: number;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  /**
   * @param actionPath absolute path of a CommonJS module that exports `main`
   * @param env environment beside this process's own
   */
  constructor(
    actionPath: string,
    env: Readonly<Record<string, string>> = {},
    { answerTimeoutMs = 60_000, output = 'inherit' }: StockProcessOptions = {},
  ) {
    this.#answerTimeoutMs = answerTimeoutMs;
    this.#child = fork(join(__dirname, 'stock-main.js'), [actionPath], {
      execArgv: [],
      env: { ...process.env, ...QUIET, ...env },
      stdio: ['ignore', output, output, 'ipc'],
    });
    this.#child.on('message', (message) => this.#receive(message as Message));
    this.#child.on('error', (error) => this.#fail(error));
    this.#child.on('exit', (code, signal) => this.#fail(new Error(`the stock process ended with ${signal ?? code}`)));
  }

  get pid(): number {
    if (this.#child.pid === undefined) throw new Error('the stock process could not be started');
    return this.#child.pid;
  }

  /** Has the process ended, by itself or by a signal? */
  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Calls the action's `main`. Rejects with its error, when the process ends, and when there is no answer in time. */
  async invoke<T>(params: object): Promise<T> {
    const id = (this.#lastId += 1);
    const answer = new Promise<unknown>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    const timer = setTimeout(() => {
      this.#settle({ id, error: `no answer of the stock process within ${this.#answerTimeoutMs} ms` });
    }, this.#answerTimeoutMs);
    this.#child.send({ id, params });
    try {
      return (await answer) as T;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the process; idempotent. */
  async stop(): Promise<void> {
    await endProcess(this.#child);
  }

  #receive(message: Message): void {
    if ('ready' in message) this.started = message.ready;
    else this.#settle(message);
  }

  #settle({ id, result, error }: { id: number; result?: unknown; error?: string }): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) pending?.resolve(result);
    else pending?.reject(new Error(error));
  }

  #fail(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
