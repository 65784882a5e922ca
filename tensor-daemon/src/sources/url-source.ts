import type { IncomingMessage } from 'node:http';
import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { type ModelSource, type IngestPhase, errorMessage, isPluginError, PluginError } from '@tetris/common';
import { BoundedMap } from './bounded-map';
import type { ModelFiles } from './model-files';
import type { Tenant } from '../tenant';
import { guardedLookup } from './private-addresses';
import { checkedLocation, type Uploads } from './uploads';

const REDIRECTS_MAX = 3;

/** What a URL held when it was last asked. */
interface Content {
  sha256: string;
  /** For asking whether it still does. */
  etag?: string | undefined;
  lastModified?: string | undefined;
  checkedMs: number;
  /** External data, for models. */
  locations: string[];
}

export interface UrlSourceOptions {
  urlSources: readonly string[];
  urlPrivateAllowed: boolean;
  urlTimeoutMs: number;
  urlFetchMs: number;
  urlMaxAgeMs: number;
  modelBytesMax: number;
  digestCacheMax: number;
}

/** Whoever waits for a fetch. It goes on when they leave: others may have joined, and what came is remembered. */
export interface FetchListener {
  progress(phase: IngestPhase, done: number, total: number): void;
}

/**
 * Models at URLs. Only configured prefixes are asked, redirects only followed to such, and addresses only connected to
 * after they were resolved and checked, so that nobody can send the daemon into the provider's network.
 */
export class UrlSource {
  readonly #options: UrlSourceOptions;
  readonly #prefixes: readonly URL[];
  readonly #uploads: Uploads;
  readonly #now: () => number;
  readonly #known: BoundedMap<string, Content>;
  readonly #underway = new Map<string, Promise<Content>>();

  /** @throws TypeError where a prefix is no URL */
  constructor(options: UrlSourceOptions, uploads: Uploads, now: () => number) {
    this.#options = options;
    this.#prefixes = options.urlSources.map((prefix) => new URL(prefix));
    this.#uploads = uploads;
    this.#now = now;
    this.#known = new BoundedMap(options.digestCacheMax);
  }

  /** @throws PluginError `ERR_MODEL_SOURCE_UNKNOWN`, `ERR_MODEL_NOT_FOUND`, `ERR_MODEL_FETCH_FAILED`, `ERR_MODEL_TOO_LARGE` */
  async files(
    { url }: Extract<ModelSource, { kind: 'url' }>,
    listener: FetchListener,
    tenant: Tenant,
  ): Promise<ModelFiles> {
    const base = this.#allowed(url);
    const model = await this.#content(base, true, listener, tenant);
    const external: { location: string; sha256: string; url: URL }[] = [];
    for (const location of model.locations) {
      const beside = this.#allowed(new URL(encodeURI(checkedLocation(location)), base).href);
      external.push({ location, url: beside, sha256: (await this.#content(beside, false, listener, tenant)).sha256 });
    }
    const uploaded = this.#uploads.files({ kind: 'digest', sha256: model.sha256, externalData: external }, tenant);
    return {
      ...uploaded,
      get bytes() {
        return uploaded.bytes;
      },
      stage: async (folder) => {
        // Remembered digests may outlive the bytes.
        const wanted = [
          { url: base, sha256: model.sha256, isModel: true },
          ...external.map((file) => ({ ...file, isModel: false })),
        ];
        for (const { url: from, sha256, isModel } of wanted) {
          if (this.#uploads.has(sha256, tenant)) continue;
          const again = await this.#fetch(from, isModel, undefined, listener, tenant);
          if (again.sha256 !== sha256) throw failed(`${from.href} changed while it was fetched`);
        }
        return uploaded.stage(folder);
      },
    };
  }

  /** @throws PluginError `ERR_MODEL_SOURCE_UNKNOWN` */
  #allowed(text: string): URL {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const allowed = this.#prefixes.some(
      (prefix) =>
        url?.origin === prefix.origin &&
        (url.pathname === prefix.pathname || url.pathname.startsWith(prefix.pathname.replace(/\/*$/, '/'))),
    );
    if (url === undefined || !allowed || url.username !== '' || url.password !== '') {
      throw new PluginError('ERR_MODEL_SOURCE_UNKNOWN', `no configured source allows '${text}'`);
    }
    url.hash = '';
    return url;
  }

  async #content(url: URL, isModel: boolean, listener: FetchListener, tenant: Tenant): Promise<Content> {
    const key = keyOf(url, tenant);
    const known = this.#known.get(key);
    if (known !== undefined && this.#now() - known.checkedMs < this.#options.urlMaxAgeMs) return known;
    const underway = this.#underway.get(key);
    if (underway !== undefined) return underway;
    const fetching = this.#fetch(url, isModel, known, listener, tenant).finally(() => this.#underway.delete(key));
    this.#underway.set(key, fetching);
    return fetching;
  }

  /** Fetches, or finds that what is known still holds. */
  async #fetch(
    url: URL,
    isModel: boolean,
    known: Content | undefined,
    listener: FetchListener,
    tenant: Tenant,
  ): Promise<Content> {
    let reply: IncomingMessage | undefined;
    try {
      reply = await this.#get(url, known);
      if (reply.statusCode === 304 && known !== undefined) {
        known.checkedMs = this.#now();
        return known;
      }
      const content = await this.#receive(reply, isModel, listener, tenant);
      this.#known.set(keyOf(url, tenant), content);
      return content;
    } catch (error) {
      if (isPluginError(error)) throw error;
      throw failed(`${url.href} could not be fetched: ${errorMessage(error)}`, error);
    } finally {
      reply?.destroy();
    }
  }

  async #receive(reply: IncomingMessage, isModel: boolean, listener: FetchListener, tenant: Tenant): Promise<Content> {
    const { modelBytesMax } = this.#options;
    const total = Number(reply.headers['content-length'] ?? 0);
    if (total > modelBytesMax) throw tooLarge(total, modelBytesMax);
    const onBytes = (done: number): void => listener.progress('fetch', done, total);
    const { sha256 } = await this.#uploads.receive(reply, tenant, onBytes, modelBytesMax);
    const { etag, 'last-modified': lastModified } = reply.headers;
    const locations = isModel ? await this.#uploads.locations(sha256, tenant) : [];
    return { sha256, etag, lastModified, checkedMs: this.#now(), locations };
  }

  async #get(from: URL, known: Content | undefined): Promise<IncomingMessage> {
    let url = from;
    for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
      const reply = await this.#request(url, known);
      const { statusCode = 0, headers } = reply;
      if (statusCode === 200 || statusCode === 304) return reply;
      reply.destroy();
      if (statusCode === 404 || statusCode === 410)
        throw new PluginError('ERR_MODEL_NOT_FOUND', `${url.href} is not there`);
      if (statusCode < 300 || statusCode > 399 || headers.location === undefined) {
        throw failed(`${url.href} answers with status ${statusCode}`);
      }
      url = this.#allowed(new URL(headers.location, url).href);
    }
    throw failed(`${from.href} redirects more than ${REDIRECTS_MAX} times`);
  }

  #request(url: URL, known: Content | undefined): Promise<IncomingMessage> {
    const { urlPrivateAllowed, urlTimeoutMs, urlFetchMs } = this.#options;
    const signal = AbortSignal.timeout(urlFetchMs);
    const headers = {
      ...(known?.etag !== undefined && { 'if-none-match': known.etag }),
      ...(known?.lastModified !== undefined && { 'if-modified-since': known.lastModified }),
    };
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

/** What one tenant's fetch has shown is not told to those it does not share with. */
function keyOf(url: URL, { scope }: Tenant): string {
  return `${scope} ${url.href}`;
}

function failed(reason: string, cause?: unknown): PluginError {
  return new PluginError('ERR_MODEL_FETCH_FAILED', reason, { retriable: true, cause });
}

function tooLarge(bytes: number, bytesMax: number): PluginError {
  return new PluginError('ERR_MODEL_TOO_LARGE', `it has ${bytes} bytes, the limit is ${bytesMax}`);
}
