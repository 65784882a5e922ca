/** Actions that answer with the number that they are given, after as long as they are asked to take. */
import { setTimeout as sleep } from 'node:timers/promises';
import type openwhisk from 'openwhisk';
import type { Json } from '../platform';
import { until } from '../until';

export const SLEEPER = `exports.main = ({ n, ms = 20 }) => new Promise((done) => setTimeout(() => done({ n }), ms));`;

/** What a client that is told an error sees: its status. */
export type Answer = { n: number } | number;

/** Lease in etcd of the load balancer, which is the default and that of a stock scheduler, and five seconds. */
export const RECOVERY_MS_MAX = 15_000;

const ATTEMPT_MS = 2_000;

export class Sleepers {
  readonly #client: openwhisk.Client;

  constructor(client: openwhisk.Client) {
    this.#client = client;
  }

  async put(name: string, kind = 'nodejs:tetris'): Promise<void> {
    const limits = { concurrency: 10, memory: 128 };
    await this.#client.actions.update({ name, action: SLEEPER, kind, ...({ limits } as object) });
  }

  async call(name: string, params: { n: number; ms?: number }): Promise<Answer> {
    const invoked: Promise<Json> = this.#client.actions.invoke({ name, params, blocking: true, result: true });
    return invoked.catch(({ statusCode }: Json) => statusCode as number) as Promise<Answer>;
  }

  /** So many at once, the n-th with `n`. */
  many(name: string, count: number, ms: number): Promise<Answer[]> {
    return Promise.all(Array.from({ length: count }, async (_, n) => this.call(name, { n, ms })));
  }

  /**
   * Waits until one is answered, however many are lost; every {@link ATTEMPT_MS} another one is sent.
   * @returns how long it took, ms
   */
  async answersAgain(name: string, timeoutMs = 90_000): Promise<number> {
    const sinceMs = performance.now();
    const attempt = async (): Promise<boolean> => {
      const answer = await Promise.race([this.call(name, { n: 7 }), sleep(ATTEMPT_MS)]);
      return typeof answer === 'object' && answer.n === 7;
    };
    await until(attempt, `${name} answers again`, timeoutMs);
    return Math.round(performance.now() - sinceMs);
  }
}

/** What {@link Sleepers.many} brings where every activation is answered with its own result. */
export const ownResults = (count: number): Answer[] => Array.from({ length: count }, (_, n) => ({ n }));
