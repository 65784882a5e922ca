import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { endProcess } from '@tetris/common';
import type { Target } from './asker';
import type { Outcome } from './open-loop';

/** So many callers, each of which asks again as soon as it was answered. */
export interface ClosedLoop {
  callers: number;
  forMs: number;
  /** Answers that took longer count in `perSecond` only, ms. */
  withinMs: number;
}

/** Requests that are sent when they are due, whether or not earlier ones were answered. */
export interface OpenLoop {
  /** Due times, ms from the start, ascending. */
  times: readonly number[];
  /** What single runs answer, by input. */
  references: readonly number[][];
  inFlightMax: number;
  graceMs: number;
}

export type Task = (ClosedLoop & { loop: 'closed' }) | (OpenLoop & { loop: 'open' });

/** Answers per second. */
export interface Rate {
  perSecond: number;
  withinPerSecond: number;
}

export interface Load {
  outcomes: Outcome[];
  /** Of these, requests that the platform refused: more are under way than a namespace may have. */
  refused: number;
  /** Processor time of whoever asked. */
  cpuMs: number;
}

/** Outcomes of a long load are megabytes: as JSON, `Infinity` would not come across. */
const SERIALIZATION = 'advanced';

/** Asks a platform from a process of its own, so that what asking costs is not in the platform's event loop. */
export class Callers {
  readonly #target: Target;
  readonly #child: ChildProcess;

  private constructor(target: Target) {
    this.#target = target;
    this.#child = fork(join(__dirname, 'callers-main.js'), { serialization: SERIALIZATION });
  }

  static start(target: Target): Callers {
    return new Callers(target);
  }

  /** @returns answers per second @throws Error where there was none */
  async closedLoop(callers: number, forMs: number): Promise<number> {
    return (await this.closedLoopWithin(callers, forMs, Infinity)).perSecond;
  }

  /** @param withinMs longest time to an answer that counts as one within */
  closedLoopWithin(callers: number, forMs: number, withinMs: number): Promise<Rate> {
    return this.#run<Rate>({ loop: 'closed', callers, forMs, withinMs });
  }

  openLoop(loop: OpenLoop): Promise<Load> {
    return this.#run<Load>({ loop: 'open', ...loop });
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    await endProcess(this.#child);
  }

  /** One at a time. */
  async #run<Result>(task: Task): Promise<Result> {
    const over = new AbortController();
    const told = once(this.#child, 'message', { signal: over.signal });
    const ended = once(this.#child, 'exit', { signal: over.signal }).then(() => {
      throw new Error('the process that asks the platform has ended');
    });
    ended.catch(() => undefined);
    this.#child.send({ target: this.#target, task });
    try {
      const [message] = (await Promise.race([told, ended])) as [{ result: Result } | { error: string }];
      if ('error' in message) throw new Error(message.error);
      return message.result;
    } finally {
      over.abort();
    }
  }
}
