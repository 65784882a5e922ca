import { readFile } from 'node:fs/promises';
import { Pool } from 'undici';
import { ACTION_PATH } from '../runtime/bench';
import type { RunReport } from '../runtime/instances';

const API = '/api/v1/namespaces/_/actions';
const MEMORY_MB = 256;
const TIMEOUT_MS = 60_000;

/** An action with `actions/classify.js` in it. */
export interface ActionOptions {
  /** @default 'nodejs:tetris' */
  kind?: string;
  annotations?: Readonly<Record<string, unknown>>;
  parameters: object;
  /** @default 256 */
  memoryMb?: number;
}

export interface Activation {
  /** ms in its instance. */
  duration: number;
  response: { success: boolean; result: Partial<RunReport> & { error?: unknown } };
  annotations?: readonly { key: string; value: unknown }[];
}

/** Where a platform takes requests, and whose they are. */
export interface PlatformAddress {
  url: string;
  /** `uuid:secret` */
  auth: string;
}

export const actionPath = (name: string): string => `${API}/${name}`;

/** Requests to a platform, on connections that are kept. */
export class PlatformHttp {
  readonly #pool: Pool;
  readonly #headers: Readonly<Record<string, string>>;

  constructor({ url, auth }: PlatformAddress) {
    this.#pool = new Pool(url, { connections: null, pipelining: 1 });
    this.#headers = {
      authorization: `Basic ${Buffer.from(auth).toString('base64')}`,
      'content-type': 'application/json',
    };
  }

  /** @param body JSON */
  request(method: 'PUT' | 'POST', path: string, body: string): ReturnType<Pool['request']> {
    return this.#pool.request({ method, path, headers: this.#headers, body });
  }

  /** Ends requests under way. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

/** Creates actions and waits for what they answer. */
export class PlatformClient {
  readonly #http: PlatformHttp;

  constructor(platform: PlatformAddress) {
    this.#http = new PlatformHttp(platform);
  }

  /** Creates or replaces an action. @throws Error where it is refused */
  async createAction(
    name: string,
    { kind = 'nodejs:tetris', annotations = {}, parameters, memoryMb = MEMORY_MB }: ActionOptions,
  ): Promise<void> {
    const pairs = (values: object): object[] =>
      Object.entries(values).map(([key, value]) => ({ key, value: value as unknown }));
    await this.#ask('PUT', actionPath(name), {
      exec: { kind, code: await readFile(ACTION_PATH, 'utf8') },
      annotations: pairs(annotations),
      parameters: pairs(parameters),
      limits: { memory: memoryMb, timeout: TIMEOUT_MS },
    });
  }

  /** A blocking activation. @throws Error where there is no answer of the action */
  async invoke(name: string, params: object): Promise<Activation> {
    return (await this.#ask('POST', `${actionPath(name)}?blocking=true`, params)) as Activation;
  }

  async close(): Promise<void> {
    await this.#http.close();
  }

  async #ask(method: 'PUT' | 'POST', path: string, body: object): Promise<unknown> {
    const reply = await this.#http.request(method, path, JSON.stringify(body));
    const text = await reply.body.text();
    if (reply.statusCode !== 200) throw new Error(`${method} ${path}: ${reply.statusCode} ${text.slice(0, 300)}`);
    return JSON.parse(text) as unknown;
  }
}
