import { type Platform, startPlatform } from '@tetris/standalone';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Pool } from 'undici';
import type { Cleanups } from '../demo/cleanups';
import { relativeError } from '../measure/statistics';
import type { LoadedFunction } from './settings';

const ACTION_PATH = join(__dirname, '../../actions/classify.js');
const MEMORY_MB = 256;

/** Of the node, instances and store. */
const MEMORY_BYTES = 3 * 1024 ** 3;

/** Limits that are about tenants, not about serving; and no waiting for what an overload has left in the queue. */
const SETTINGS = {
  TETRIS_STANDALONE_INVOCATIONS_PER_MINUTE: '1000000',
  TETRIS_STANDALONE_CONCURRENT_INVOCATIONS: '10000',
  TETRIS_STANDALONE_STOP_TIMEOUT_MS: '3000',
};

/** Inputs that are asked about in turn. */
const SEEDS = 8;

/** An answer may differ so much from that of a single run: batches take other paths through the kernels. */
const RELATIVE_ERROR_MAX = 1e-3;

const API = '/api/v1/namespaces/_/actions';

export interface LoadedPlatformOptions {
  loaded: LoadedFunction;
  modelRoot: string;
  storePath: string;
  annotations: Readonly<Record<string, unknown>>;
  settings: Readonly<Record<string, string>>;
  cleanups: Cleanups;
}

interface Answer {
  duration: number;
  response: { success: boolean; result: { logits?: number[] } };
}

/** A platform with one action, asked over HTTP. */
export class LoadedPlatform {
  readonly platform: Platform;
  readonly #http: Pool;
  readonly #loaded: LoadedFunction;
  readonly #headers: Readonly<Record<string, string>>;

  private constructor(platform: Platform, loaded: LoadedFunction) {
    this.platform = platform;
    this.#loaded = loaded;
    this.#http = new Pool(platform.url, { connections: null, pipelining: 1 });
    this.#headers = {
      authorization: `Basic ${Buffer.from(platform.auth).toString('base64')}`,
      'content-type': 'application/json',
    };
  }

  static async start(options: LoadedPlatformOptions): Promise<LoadedPlatform> {
    const { loaded, modelRoot, storePath, annotations, cleanups } = options;
    const settings = { ...SETTINGS, ...options.settings };
    const starting = startPlatform({ memoryBytes: MEMORY_BYTES, modelRoots: [modelRoot], storePath, settings });
    cleanups.add(() => starting.then((platform) => platform.stop()));
    const started = new LoadedPlatform(await starting, loaded);
    await started.#createAction(join(modelRoot, `${loaded.definition.name}.onnx`), annotations);
    return started;
  }

  /** What single runs answer, by seed: the first argument of {@link isRight}. */
  async references(): Promise<number[][]> {
    const references: number[][] = [];
    for (let seed = 0; seed < SEEDS; seed += 1) references.push((await this.#ask(seed)).response.result.logits ?? []);
    return references;
  }

  /** One activation, and whether its answer is that of its own input. @throws Error where there is no answer */
  async isRight(references: readonly number[][], index: number, signal?: AbortSignal): Promise<boolean> {
    const seed = index % SEEDS;
    const { response } = await this.#ask(seed, signal);
    const error = relativeError(response.result.logits ?? [], references[seed] ?? []);
    return response.success && error <= RELATIVE_ERROR_MAX;
  }

  /** Time that one activation takes in its instance, ms. */
  async durationMs(index: number): Promise<number> {
    return (await this.#ask(index % SEEDS)).duration;
  }

  async stop(): Promise<void> {
    await this.#http.destroy();
    await this.platform.stop();
  }

  async #ask(seed: number, signal?: AbortSignal): Promise<Answer> {
    const path = `${API}/${this.#loaded.definition.name}?blocking=true`;
    return (await this.#request('POST', path, { seed: seed + 1 }, signal)) as Answer;
  }

  async #createAction(model: string, annotations: Readonly<Record<string, unknown>>): Promise<void> {
    const pairs = (values: object): object[] =>
      Object.entries(values).map(([key, value]) => ({ key, value: value as unknown }));
    await this.#request('PUT', `${API}/${this.#loaded.definition.name}`, {
      exec: { kind: 'nodejs:tetris', code: await readFile(ACTION_PATH, 'utf8') },
      annotations: pairs(annotations),
      parameters: pairs({ model, ...this.#loaded.input }),
      limits: { memory: MEMORY_MB, timeout: 60_000 },
    });
  }

  async #request(method: 'PUT' | 'POST', path: string, body: object, signal?: AbortSignal): Promise<unknown> {
    const reply = await this.#http.request({
      method,
      path,
      headers: this.#headers,
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });
    const text = await reply.body.text();
    if (reply.statusCode !== 200) throw new Error(`${method} ${path}: ${reply.statusCode} ${text.slice(0, 300)}`);
    return JSON.parse(text) as unknown;
  }
}
