import nano from 'nano';
import { errorMessage, PluginError } from '../errors';
import { retry } from '../flow/retry';

export interface CouchRequest {
  /** Keys of views are given as values, not as JSON. */
  query?: Readonly<Record<string, unknown>>;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as they are. */
  bytes?: Buffer;
  contentType?: string;
  /** Ends it, beside its bound in time. */
  signal?: AbortSignal;
}

const GET_BACKOFF = { firstMs: 50, maxMs: 50 };
const GETS_MAX = 2;

/**
 * CouchDB's HTTP API by npm `nano`: one method per kind of answer, bounded in time, with the plugin's errors.
 *
 * Two things are done here because nano does them wrongly (docs/decisions/0003): a JSON body that was cut off is told
 * from an empty one, and attachments are read without it.
 */
export class CouchClient {
  readonly #server: nano.ServerScope;
  readonly #base: string;
  readonly #authorization: string | undefined;
  readonly #timeoutMs: number;

  /** @param url `http(s)://[user:password@]host:port[/path]` */
  constructor(url: string, timeoutMs: number) {
    const { origin, pathname, username, password } = new URL(url);
    // `parseUrl` lacks in nano's types: a path is a prefix here and names no database.
    this.#server = nano({ url, parseUrl: false } as nano.Configuration);
    this.#base = `${origin}${pathname.replace(/\/$/, '')}`;
    const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    this.#authorization = username === '' ? undefined : `Basic ${Buffer.from(credentials).toString('base64')}`;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * @param path database first; parts are encoded here: `['whisks', 'guest/classify']`
   * @throws PluginError `ERR_DOCUMENT_NOT_FOUND`, `ERR_DOCUMENT_CONFLICT`, `ERR_DOCUMENT_INVALID` (refused for good),
   *   `ERR_STORE_UNAVAILABLE` (retriable); `fields.status` is the HTTP status where there was one
   */
  async json<T>(method: string, path: readonly string[], request: CouchRequest = {}): Promise<T> {
    const [db = '', ...rest] = path;
    const { query, json, bytes, contentType, signal } = request;
    const body = json ?? bytes;
    const options = {
      db,
      method,
      // Not `doc`: nano leaves an id with `_local` anywhere in it unencoded.
      ...(rest.length === 0 ? {} : { path: rest.map(encodeURIComponent).join('/') }),
      ...(query === undefined ? {} : { qs: query }),
      ...(body === undefined ? {} : { body }),
      // A content type alone takes away that JSON is asked for.
      ...(contentType === undefined ? {} : { contentType, accept: 'application/json' }),
    };
    const what = `${method} ${path.join('/')}`;
    const send = (): Promise<unknown> => {
      const timeout = AbortSignal.timeout(this.#timeoutMs);
      const ends = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
      return this.#server.request({ ...options, signal: ends } as nano.RequestOptions);
    };
    const answer = await this.#tried(what, method === 'GET', send);
    // Of a body that was cut off nano makes an empty text, and of one in another type a text or bytes.
    if (typeof answer === 'object' && answer !== null && !Buffer.isBuffer(answer)) return answer as T;
    throw unavailable(`${what}: the answer is no JSON`, undefined);
  }

  /** Bytes of an attachment: whole, or an error. Throws like {@link json}. */
  async bytes(path: readonly string[]): Promise<Buffer> {
    return this.#tried(`GET ${path.join('/')}`, true, () => this.#fetchBytes(path));
  }

  /** A kept connection may have been closed by the other side in this very moment; only reading is safe to repeat. */
  async #tried<T>(what: string, repeatable: boolean, send: () => Promise<T>): Promise<T> {
    try {
      const again = (error: unknown): boolean => statusOf(error) === undefined;
      return await retry(send, { backoff: GET_BACKOFF, attemptsMax: repeatable ? GETS_MAX : 1, again });
    } catch (error) {
      throw asStoreError(what, error);
    }
  }

  async #fetchBytes(path: readonly string[]): Promise<Buffer> {
    const headers = this.#authorization === undefined ? {} : { authorization: this.#authorization };
    const signal = AbortSignal.timeout(this.#timeoutMs);
    const response = await fetch(`${this.#base}/${path.map(encodeURIComponent).join('/')}`, { headers, signal });
    // Rejects where fewer bytes come than were promised.
    const answer = Buffer.from(await response.arrayBuffer());
    if (response.ok) return answer;
    throw Object.assign(new Error(answer.toString()), { statusCode: response.status });
  }
}

const unavailable = (text: string, cause: unknown): PluginError =>
  new PluginError('ERR_STORE_UNAVAILABLE', text, { retriable: true, cause });

/** HTTP status of a refusal; undefined where nobody answered. */
function statusOf(error: unknown): number | undefined {
  const { statusCode } = error as { statusCode?: unknown };
  return typeof statusCode === 'number' ? statusCode : undefined;
}

const REASON_CHARACTERS_MAX = 200;

function asStoreError(what: string, error: unknown): PluginError {
  const status = statusOf(error);
  const reason = error instanceof TypeError && error.cause !== undefined ? error.cause : error;
  const why = errorMessage(reason).slice(0, REASON_CHARACTERS_MAX);
  if (status === undefined) return unavailable(`${what}: ${why}`, error);
  const text = `${what}: ${status} ${why}`;
  const fields = { status };
  if (status === 404) return new PluginError('ERR_DOCUMENT_NOT_FOUND', text, { fields });
  if (status === 409 || status === 412) return new PluginError('ERR_DOCUMENT_CONFLICT', text, { fields });
  // Not 401 and 403: whoever is not let in now may be later, when somebody has corrected what is wrong.
  if (status === 400 || status === 413) return new PluginError('ERR_DOCUMENT_INVALID', text, { fields });
  return new PluginError('ERR_STORE_UNAVAILABLE', text, { retriable: true, fields });
}
