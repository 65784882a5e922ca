import { rounded } from '../measure/statistics';
import type { LoadedPlatform } from '../sharing/loaded-platform';

/** Processors that each part was given on average under a load, 1 being one processor all the time. */
export interface Processors {
  /** Whoever asks. */
  client: number;
  /** Controller, load balancer and invoker. */
  platform: number;
  instances: number;
}

/** Who had the processors while a platform was under load: there it is seen what a request costs, and whom. */
export class ProcessorShares {
  readonly #platform: LoadedPlatform;
  readonly #startMs = performance.now();
  readonly #before = process.cpuUsage();
  readonly #instancesMs: number;

  private constructor(platform: LoadedPlatform, instancesMs: number) {
    this.#platform = platform;
    this.#instancesMs = instancesMs;
  }

  static async start(platform: LoadedPlatform): Promise<ProcessorShares> {
    return new ProcessorShares(platform, await platform.instancesMs());
  }

  /** @param clientMs processor time of the client since then */
  async until(clientMs: number): Promise<Processors> {
    const forMs = performance.now() - this.#startMs;
    const { user, system } = process.cpuUsage(this.#before);
    // Of those that have ended meanwhile it is not known what they had.
    const instancesMs = Math.max(0, (await this.#platform.instancesMs()) - this.#instancesMs);
    const shareOf = (ms: number): number => rounded(ms / forMs);
    return {
      client: shareOf(clientMs),
      platform: shareOf((user + system) / 1000),
      instances: shareOf(instancesMs),
    };
  }
}
