import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage, PluginError } from '../errors';

export interface CouchRequest {
  query?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as they are. */
  bytes?: Buffer;
  contentType?: string;
}

const RETRY_GET_MS = 50;

/**
 * CouchDB's HTTP API: one method per kind of answer, bounded in time, with the plugin's errors.
 *
 * Not npm `nano`: its reader turns a JSON body that was cut off into an empty string, and ends the process by an unhandled
 * rejection where that happens to an attachment (see docs/decisions).
 */
export class CouchClient {
  readonly #base: string;
  readonly #authorization: string | undefined;
  readonly #timeoutMs: number;

  /** @param url `http(s)://[user:password@]host:port[/path]` */
  constructor(url: string, timeoutMs: number) {
    const { origin, pathname, username, password } = new URL(url);
    this.#base = `${origin}${pathname.replace(/\/$/, '')}`;
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    this.#authorization = username === '' ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * @param path parts, encoded here: `['whisks', 'guest/classify']`
   * @throws PluginError `ERR_DOCUMENT_NOT_FOUND`, `ERR_DOCUMENT_CONFLICT`, `ERR_DOCUMENT_INVALID` (refused for good),
   *   `ERR_STORE_UNAVAILABLE` (retriable); `fields.status` is the HTTP status where there was one
   */
  async json<T>(method: string, path: readonly string[], request: CouchRequest = {}): Promise<T> {
    const text = (await this.#send(method, path, request)).toString();
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      throw unavailable(`${method} ${path.join('/')}: the answer is no JSON`, error);
    }
  }

  /** Bytes of an attachment. Throws like {@link json}. */
  async bytes(path: readonly string[]): Promise<Buffer> {
    return this.#send('GET', path, {});
  }

  async #send(method: string, path: readonly string[], request: CouchRequest): Promise<Buffer> {
    try {
      return await this.#sendOnce(method, path, request);
    } catch (error) {
      // A kept connection may have been closed by the other side in this very moment; only reading is safe to repeat.
      const { cause } = error as PluginError;
      if (method !== 'GET' || !(cause instanceof TypeError)) throw error;
      await delay(RETRY_GET_MS);
      return this.#sendOnce(method, path, request);
    }
  }

  async #sendOnce(method: string, path: readonly string[], request: CouchRequest): Promise<Buffer> {
    const { query = {}, json, bytes, contentType = 'application/json' } = request;
    const search = new URLSearchParams(query).toString();
    const url = `${this.#base}/${path.map(encodeURIComponent).join('/')}${search === '' ? '' : `?${search}`}`;
    const body = json === undefined ? bytes : JSON.stringify(json);
    const headers = {
      accept: '*/*',
      ...(this.#authorization === undefined ? {} : { authorization: this.#authorization }),
      ...(body === undefined ? {} : { 'content-type': contentType }),
    };
    let status: number;
    let answer: Buffer;
    try {
      const signal = AbortSignal.timeout(this.#timeoutMs);
      const response = await fetch(url, { method, headers, signal, ...(body === undefined ? {} : { body }) });
      status = response.status;
      answer = Buffer.from(await response.arrayBuffer());
    } catch (error) {
      const reason = error instanceof TypeError && error.cause !== undefined ? error.cause : error;
      throw unavailable(`${method} ${path.join('/')}: ${errorMessage(reason)}`, error);
    }
    if (status >= 400) throw statusError(`${method} ${path.join('/')}`, status, answer.toString());
    return answer;
  }
}

const unavailable = (text: string, cause: unknown): PluginError =>
  new PluginError('ERR_STORE_UNAVAILABLE', text, { retriable: true, cause });

function statusError(what: string, status: number, body: string): PluginError {
  const text = `${what}: ${status} ${body.slice(0, 200)}`;
  const fields = { status };
  if (status === 404) return new PluginError('ERR_DOCUMENT_NOT_FOUND', text, { fields });
  if (status === 409 || status === 412) return new PluginError('ERR_DOCUMENT_CONFLICT', text, { fields });
  if (status === 400 || status === 403 || status === 413)
    return new PluginError('ERR_DOCUMENT_INVALID', text, { fields });
  return new PluginError('ERR_STORE_UNAVAILABLE', text, { retriable: true, fields });
}
