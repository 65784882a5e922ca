/** The built action runtime as a process, spoken to as OpenWhisk's invoker speaks to a container. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { endProcess } from '@tetris/common';
import { START_ARGUMENTS, START_ENVIRONMENT } from '@tetris/action-runtime';
import { until } from './until';

export interface RuntimeReply {
  status: number;
  body: unknown;
  headers: Record<string, string | string[] | undefined>;
}

export interface ActionInit {
  main?: string;
  code?: string;
  binary?: boolean;
  env?: Record<string, unknown>;
  tetris?: Record<string, unknown>;
}

const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';

/** One function instance. Stop it after use. */
export class RuntimeProcess {
  readonly folder: string;
  readonly #socket: string;
  readonly #process: ChildProcess;
  stdout = '';
  stderr = '';

  private constructor(folder: string, env: Readonly<Record<string, string>>) {
    this.folder = folder;
    this.#socket = path.join(folder, 'listen.sock');
    this.#process = spawn(process.execPath, START_ARGUMENTS, {
      env: {
        PATH: process.env['PATH'],
        ...START_ENVIRONMENT,
        TMPDIR: folder,
        TETRIS_RUNTIME_LISTEN: this.#socket,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
  }

  static async start(env: Readonly<Record<string, string>> = {}): Promise<RuntimeProcess> {
    const folder = fs.realpathSync(await mkdtemp(path.join(os.tmpdir(), 'runtime-test-')));
    const runtime = new RuntimeProcess(folder, env);
    await until(async () => !runtime.alive || (await runtime.#listens()), 'the runtime listens');
    if (!runtime.alive) throw new Error(`the runtime ended at once: ${runtime.stderr}`);
    return runtime;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get alive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  init(action: ActionInit): Promise<RuntimeReply> {
    return this.post('/init', { value: { name: 'test', main: 'main', binary: false, ...action } });
  }

  run(value?: unknown, fields: Record<string, unknown> = {}): Promise<RuntimeReply> {
    return this.post('/run', { ...(value === undefined ? {} : { value }), ...fields });
  }

  post(url: string, body: unknown): Promise<RuntimeReply> {
    return this.send('POST', url, JSON.stringify(body));
  }

  send(method: string, url: string, body?: string | Buffer): Promise<RuntimeReply> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json' };
      const call = request({ socketPath: this.#socket, method, path: url, headers, agent: false }, (reply) => {
        let text = '';
        reply.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        reply.once('end', () =>
          resolve({ status: reply.statusCode ?? 0, body: JSON.parse(text) as unknown, headers: reply.headers }),
        );
      });
      call.once('error', reject);
      call.end(body);
    });
  }

  /** Waits until both streams have shown this many sentinels (a pipe may lag behind the answer), no more. */
  async sentinels(count: number): Promise<void> {
    const seen = (text: string): number => text.split('\n').filter((line) => line.endsWith(SENTINEL)).length;
    await until(() => seen(this.stdout) >= count && seen(this.stderr) >= count, `${count} sentinels on each stream`);
    if (seen(this.stdout) > count || seen(this.stderr) > count) throw new Error(`more than ${count} sentinels`);
  }

  #listens(): Promise<boolean> {
    return new Promise((resolve) => {
      const connection = connect(this.#socket, () => connection.end(() => resolve(true)));
      connection.once('error', () => resolve(false));
    });
  }

  async stop(): Promise<void> {
    if (this.alive) await Promise.all([once(this.#process, 'close'), endProcess(this.#process)]);
    await rm(this.folder, { recursive: true, force: true });
  }
}
