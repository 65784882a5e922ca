import { actionPath, type PlatformAddress, PlatformHttp } from '../platform/client';

/** Where an action is asked, and by whom. */
export interface Target extends PlatformAddress {
  action: string;
}

/** What an activation answers. */
export interface Answer {
  duration: number;
  response: { success: boolean; result: { logits?: number[] } };
}

/** Inputs that are asked about in turn: equal ones in a batch would tell the runtime nothing about joining them. */
export const SEEDS = 8;

const BODIES = Array.from({ length: SEEDS }, (_, seed) => JSON.stringify({ seed: seed + 1 }));
const OK = 200;
const TOO_MANY = 429;

/** Asks one action over HTTP, on connections that are kept. */
export class Asker {
  readonly #http: PlatformHttp;
  readonly #activations: string;

  constructor({ action, ...platform }: Target) {
    this.#http = new PlatformHttp(platform);
    this.#activations = `${actionPath(action)}?blocking=true`;
  }

  /**
   * One activation; undefined where the platform says that there are too many.
   * @throws Error where there is no answer, or an error
   */
  async ask(index: number): Promise<Answer | undefined> {
    const { statusCode, body } = await this.#http.request('POST', this.#activations, BODIES[index % SEEDS] ?? '');
    if (statusCode === OK) return (await body.json()) as Answer;
    if (statusCode !== TOO_MANY)
      throw new Error(`${this.#activations}: ${statusCode} ${(await body.text()).slice(0, 300)}`);
    await body.dump();
    return undefined;
  }

  /** Ends requests under way. */
  async close(): Promise<void> {
    await this.#http.close();
  }
}
