import type { IncomingMessage } from 'node:http';
import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { errorMessage, isPluginError, PluginError } from '@tetris/common';
import { guardedLookup } from './private-addresses';

const REDIRECTS_MAX = 3;

export interface UrlOriginOptions {
  urlSources: readonly string[];
  urlPrivateAllowed: boolean;
  urlTimeoutMs: number;
  urlFetchMs: number;
}

/**
 * The servers behind URLs. Only configured prefixes are asked, redirects only followed to such, and addresses only
 * connected to after they were resolved and checked, so that nobody can send the daemon into the provider's network.
 */
export class UrlOrigin {
  readonly #options: UrlOriginOptions;
  readonly #prefixes: readonly URL[];

  /** @throws TypeError where a prefix is no URL */
  constructor(options: UrlOriginOptions) {
    this.#options = options;
    this.#prefixes = options.urlSources.map((prefix) => new URL(prefix));
  }

  /** @throws PluginError `ERR_MODEL_SOURCE_UNKNOWN` */
  allowed(text: string): URL {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const allowed = this.#prefixes.some(
      (prefix) =>
        url?.origin === prefix.origin &&
        (url.pathname === prefix.pathname || url.pathname.startsWith(prefix.pathname.replace(/\/*$/, '/'))),
    );
    if (url === undefined || !allowed || climbs(url.pathname) || url.username !== '' || url.password !== '') {
      const remedy = 'the operator allows URLs by prefix (npm start -- --url, or TETRIS_DAEMON_URL_SOURCES)';
      throw new PluginError('ERR_MODEL_SOURCE_UNKNOWN', `no configured source allows '${text}'; ${remedy}`);
    }
    url.hash = '';
    return url;
  }

  /**
   * Asks for what a URL holds, and does something with the answer (200, or 304 where there are conditions), which is
   * ended then.
   *
   * @throws PluginError `ERR_MODEL_SOURCE_UNKNOWN`, `ERR_MODEL_NOT_FOUND`, `ERR_MODEL_FETCH_FAILED`, or what `use`
   *   throws
   */
  async ask<T>(
    url: URL,
    conditions: Record<string, string>,
    use: (reply: IncomingMessage) => Promise<T> | T,
    signal?: AbortSignal,
  ): Promise<T> {
    const { urlFetchMs } = this.#options;
    const ends = AbortSignal.any([AbortSignal.timeout(urlFetchMs), ...(signal === undefined ? [] : [signal])]);
    let reply: IncomingMessage | undefined;
    try {
      reply = await this.#get(url, conditions, ends);
      return await use(reply);
    } catch (error) {
      if (isPluginError(error)) throw error;
      throw failed(`${url.href} could not be fetched: ${errorMessage(error)}`, error);
    } finally {
      reply?.destroy();
    }
  }

  async #get(from: URL, conditions: Record<string, string>, signal: AbortSignal): Promise<IncomingMessage> {
    let url = from;
    for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
      const reply = await this.#request(url, conditions, signal);
      const { statusCode = 0, headers } = reply;
      if (statusCode === 200 || (statusCode === 304 && Object.keys(conditions).length > 0)) return reply;
      reply.destroy();
      if (statusCode === 404 || statusCode === 410)
        throw new PluginError('ERR_MODEL_NOT_FOUND', `${url.href} is not there`);
      if (statusCode < 300 || statusCode > 399 || headers.location === undefined) {
        throw failed(`${url.href} answers with status ${statusCode}`);
      }
      url = this.allowed(new URL(headers.location, url).href);
    }
    throw failed(`${from.href} redirects more than ${REDIRECTS_MAX} times`);
  }

  #request(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<IncomingMessage> {
    const { urlPrivateAllowed, urlTimeoutMs } = this.#options;
    const lookup = urlPrivateAllowed || url.hostname === 'localhost' ? undefined : guardedLookup;
    const get = url.protocol === 'https:' ? httpsGet : httpGet;
    return new Promise((resolve, reject) => {
      const request = get(
        url,
        { headers, agent: false, signal, timeout: urlTimeoutMs, ...(lookup && { lookup }) },
        resolve,
      );
      request.once('timeout', () => request.destroy(new Error(`nothing came for ${urlTimeoutMs} ms`)));
      request.on('error', reject);
    });
  }
}

/** Whether a server that decodes a path, once more or several times, may find a step upwards in it. */
function climbs(path: string): boolean {
  const decoded = decodedOnce(path);
  if (decoded === undefined) return true;
  if (decoded !== path) return climbs(decoded);
  return path.includes('\0') || path.split(/[/\\]/).some((segment) => /^\.\.(;|$)/.test(segment));
}

function decodedOnce(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

function failed(reason: string, cause?: unknown): PluginError {
  return new PluginError('ERR_MODEL_FETCH_FAILED', reason, { retriable: true, cause });
}
