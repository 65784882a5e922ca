import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { endProcess } from '@tetris/common';
import { sum } from './statistics';

/** Processor time of one product, and when it was told, `performance.now()`. */
interface Product {
  atMs: number;
  cpuMs: number;
}

/** Many times what the longest suite takes. */
const PRODUCTS_MAX = 100_000;

/**
 * How fast the machine is, beside whatever else is measured on it: a process of its own multiplies the same small
 * matrices ten times a second and tells the processor time. What else runs in this machine does not slow that, except
 * through caches; neighbours on the same hardware do, by up to a half for minutes on a shared host.
 */
export class MachineSpeed {
  readonly #child: ChildProcess;
  readonly #products: Product[] = [];

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (cpuMs) => {
      if (this.#products.length >= PRODUCTS_MAX) return;
      this.#products.push({ atMs: performance.now(), cpuMs: cpuMs as number });
    });
  }

  /** Resolves when the first product is told. @throws Error where the process cannot be started, or ends */
  static async start(): Promise<MachineSpeed> {
    const speed = new MachineSpeed(fork(join(__dirname, 'machine-speed-main.js'), { execArgv: [] }));
    const ended = once(speed.#child, 'exit').then(() => {
      throw new Error('the process that tells the speed of the machine has ended');
    });
    await Promise.race([once(speed.#child, 'message'), ended]);
    return speed;
  }

  /**
   * Runs something, and tells the products per second of processor time meanwhile. @throws RangeError where none ended
   */
  async during<T>(run: () => Promise<T>): Promise<{ result: T; speed: number }> {
    const fromMs = performance.now();
    const result = await run();
    return { result, speed: this.between(fromMs, performance.now()) };
  }

  /**
   * Products per second of processor time.
   *
   * @param fromMs `performance.now()`, as `toMs`
   * @throws RangeError where none ended in that time
   */
  between(fromMs: number, toMs: number): number {
    const times = this.#products.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs).map(({ cpuMs }) => cpuMs);
    if (times.length === 0) throw new RangeError('the speed of the machine was not sampled in that time');
    return (1000 * times.length) / sum(times);
  }

  /** Ends the process; idempotent. */
  async stop(): Promise<void> {
    await endProcess(this.#child);
  }
}
