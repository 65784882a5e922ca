import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { endProcess } from '@tetris/common';
import type { Feed } from '@tetris/bench';
import type { LeaseRequest } from '@tetris/common';
import type { TestDaemon } from './daemon';

const REPLY_TIMEOUT_MS = 30_000;

/** A function instance in small, in a process of its own: see `holder-main.cjs`. */
export class Holder {
  readonly #process: ChildProcess;
  readonly #lines: Interface;

  constructor(daemon: TestDaemon, request: LeaseRequest, feeds: readonly Feed[]) {
    const plain = feeds.map((feed) => ({ ...feed, data: Array.from<number | bigint, number>(feed.data, Number) }));
    const main = join(__dirname, 'holder-main.cjs');
    const args = [main, join(daemon.folder, 'instance.sock'), join(daemon.store, 'views')];
    this.#process = spawn(process.execPath, [...args, JSON.stringify(request), JSON.stringify(plain)], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH, ORT_DISABLE_TELEMETRY: '1' },
    });
    if (this.#process.stdout === null) throw new Error('it has no output');
    this.#lines = createInterface({ input: this.#process.stdout });
  }

  /** Has a command done. One at a time. @throws Error with what the instance says is wrong */
  async #ask<T>(command: string): Promise<T> {
    const reply = once(this.#lines, 'line', { signal: AbortSignal.timeout(REPLY_TIMEOUT_MS) }) as Promise<[string]>;
    this.#process.stdin?.write(`${command}\n`);
    const { result, error } = JSON.parse((await reply)[0]) as { result: T; error?: string };
    if (error !== undefined) throw new Error(error);
    return result;
  }

  lease(): Promise<{ view: string; warm: boolean }> {
    return this.#ask('lease');
  }

  run(): Promise<Record<string, number[]>> {
    return this.#ask('run');
  }

  /** Digests of the tensors that it has mapped. */
  maps(): Promise<string[]> {
    return this.#ask('maps');
  }

  async release(): Promise<void> {
    await this.#ask('release');
  }

  async end(): Promise<void> {
    await endProcess(this.#process);
  }
}
