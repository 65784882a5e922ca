import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endProcess } from '@tetris/common';
import type { Burst } from './bursts';

/** As many busy processes as half of the processors, of the same priority as the platform's. */
export class Neighbour {
  readonly #children: readonly ChildProcess[];

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children;
  }

  static start(): Neighbour {
    const count = Math.max(1, Math.floor(availableParallelism() / 2));
    const main = join(__dirname, 'neighbour-main.js');
    return new Neighbour(Array.from({ length: count }, () => fork(main, { execArgv: [] })));
  }

  /** At work from now on for so long, ms. */
  work(forMs: number): void {
    for (const child of this.#children) child.send(forMs);
  }

  /** Works in bursts, which begin now; resolves after the last one has begun, or when the signal ends them. */
  async play(bursts: readonly Burst[], signal: AbortSignal): Promise<void> {
    const startMs = performance.now();
    for (const { fromMs, toMs } of bursts) {
      await delay(Math.max(0, startMs + fromMs - performance.now()), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      this.work(toMs - fromMs);
    }
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    await Promise.all(this.#children.map((child) => endProcess(child, 'SIGKILL')));
  }
}
