import { Pool } from 'undici';

/** Where an action is asked, and by whom. */
export interface Target {
  /** Of the platform. */
  url: string;
  /** The guest's key. */
  auth: string;
  action: string;
}

/** What an activation answers. */
export interface Answer {
  duration: number;
  response: { success: boolean; result: { logits?: number[] } };
}

/** Inputs that are asked about in turn: equal ones in a batch would tell the runtime nothing about joining them. */
export const SEEDS = 8;

const API = '/api/v1/namespaces/_/actions';
const BODIES = Array.from({ length: SEEDS }, (_, seed) => JSON.stringify({ seed: seed + 1 }));
const OK = 200;
const TOO_MANY = 429;

/** Asks one action over HTTP, on connections that are kept. */
export class Asker {
  readonly #http: Pool;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #action: string;
  readonly #activations: string;

  constructor({ url, auth, action }: Target) {
    this.#http = new Pool(url, { connections: null, pipelining: 1 });
    this.#headers = {
      authorization: `Basic ${Buffer.from(auth).toString('base64')}`,
      'content-type': 'application/json',
    };
    this.#action = `${API}/${action}`;
    this.#activations = `${this.#action}?blocking=true`;
  }

  /** Creates or replaces the action. @throws Error where it is refused */
  async put(action: object): Promise<void> {
    const { statusCode, body } = await this.#request('PUT', this.#action, JSON.stringify(action));
    const text = await body.text();
    if (statusCode !== OK) throw new Error(`PUT ${this.#action}: ${statusCode} ${text.slice(0, 300)}`);
  }

  /**
   * One activation; undefined where the platform says that there are too many.
   * @throws Error where there is no answer, or an error
   */
  async ask(index: number): Promise<Answer | undefined> {
    const { statusCode, body } = await this.#request('POST', this.#activations, BODIES[index % SEEDS] ?? '');
    if (statusCode === OK) return (await body.json()) as Answer;
    if (statusCode !== TOO_MANY) throw new Error(`${this.#action}: ${statusCode} ${(await body.text()).slice(0, 300)}`);
    await body.dump();
    return undefined;
  }

  /** Ends requests under way. */
  async close(): Promise<void> {
    await this.#http.destroy();
  }

  #request(method: 'PUT' | 'POST', path: string, body: string): ReturnType<Pool['request']> {
    return this.#http.request({ method, path, headers: this.#headers, body });
  }
}
