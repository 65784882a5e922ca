import type { IncomingMessage } from 'node:http';
import { type ModelSource, type IngestPhase, PluginError } from '@tetris/common';
import type { LRUCache } from 'lru-cache';
import { forEachOf } from '../transfer/for-each';
import { ChangedError, type ModelFiles } from './model-files';
import type { Tenant } from '../tenant';
import { checkedLocation, type UploadedModels } from './uploaded-models';
import type { Uploads } from './uploads';
import type { UrlOrigin } from './url-origin';
import {
  agreed,
  conditionOf,
  type UrlContent,
  idOf,
  isAbout,
  meant,
  type CheckedContent,
  type PeerUrlRecord,
} from './url-record';

/** Files of one model that are had at a time. */
const GATHERED_AT_ONCE = 2;

/** A file of a model as it came. */
export type Original = Pick<UrlContent, 'sha256' | 'bytes'>;

/** Where models, and records of what URLs held, may be had beside the URLs themselves. */
export interface Mirrors {
  /** What is said that a URL held. To be confirmed by the URL's origin. @param id see idOf */
  records(id: string, tenant: Tenant, signal: AbortSignal): Promise<PeerUrlRecord[]>;
  /** What a peer reported was wrong. */
  reject(peer: string, detail: string): void;
  /** Puts a file among the uploads, checked. @returns false where it is nowhere */
  bring(original: Original, tenant: Tenant, listener: FetchListener, signal: AbortSignal): Promise<boolean>;
  /** Keeps an upload for later. */
  keep(original: Original, tenant: Tenant): void;
}

/** A file that a URL holds, on behalf of somebody. */
interface Wanted {
  url: URL;
  /** Whether it is the model, and not its external data. */
  isModel: boolean;
  listener: FetchListener;
  tenant: Tenant;
}

export interface UrlSourceOptions {
  urlFetchMs: number;
  urlMaxAgeMs: number;
  modelBytesMax: number;
  /** Where peers ask this daemon, what was fetched stays for a while: those of another platform need it as it came. */
  peerListen: string;
}

export interface UrlSourceParts {
  origin: UrlOrigin;
  uploads: Uploads;
  models: UploadedModels;
  /** What URLs held, by idOf. */
  seen: LRUCache<string, CheckedContent>;
  mirrors: Mirrors;
  now: () => number;
}

/** Whoever waits for a fetch. It goes on when they leave: others may have joined, and what came is remembered. */
export interface FetchListener {
  progress(phase: IngestPhase, done: number, total: number): void;
}

/**
 * Models at URLs. What a URL holds is its origin's to say; what it held before, and what others say that it held,
 * spares the download where the origin confirms it.
 */
export class UrlSource {
  readonly #options: UrlSourceOptions;
  readonly #parts: UrlSourceParts;
  readonly #underway = new Map<string, Promise<CheckedContent>>();

  constructor(options: UrlSourceOptions, parts: UrlSourceParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /**
   * @throws PluginError `ERR_MODEL_SOURCE_UNKNOWN`, `ERR_MODEL_NOT_FOUND`, `ERR_MODEL_FETCH_FAILED`,
   * `ERR_MODEL_TOO_LARGE`
   */
  async files(
    { url }: Extract<ModelSource, { kind: 'url' }>,
    listener: FetchListener,
    tenant: Tenant,
  ): Promise<ModelFiles> {
    const { models, origin } = this.#parts;
    const wanted = { url: origin.allowed(url), isModel: true, listener, tenant };
    const model = await this.#content(wanted);
    const external = await this.#external(wanted, model).catch(async (error: unknown) => {
      // Before the model is blamed: is it as the peer reported?
      if (model.peer !== undefined) {
        await this.#have(wanted, model, AbortSignal.timeout(this.#options.urlFetchMs));
        await this.#checkLocations(wanted, model);
      }
      throw error;
    });
    const all = [{ wanted, seen: model }, ...external];
    const externalData = external.map(({ location, seen }) => ({ location, sha256: seen.sha256 }));
    const uploaded = models.files({ kind: 'digest', sha256: model.sha256, externalData }, tenant);
    const gather = async (signal: AbortSignal): Promise<void> => {
      await forEachOf(all, GATHERED_AT_ONCE, (file) => this.#have(file.wanted, file.seen, signal));
      await this.#checkLocations(wanted, model);
    };
    return {
      ...uploaded,
      // Of what is at hand, not of what was reported.
      get bytes() {
        return uploaded.bytes;
      },
      gather,
      letGo: (isDone) => uploaded.letGo?.(isDone && this.#options.peerListen === ''),
      stage: async (folder, signal) => {
        // They may have waited for their turn longer than uploads are kept.
        await gather(signal);
        return uploaded.stage(folder, signal);
      },
    };
  }

  /** What the URLs beside a model hold of it. */
  async #external(
    wanted: Wanted,
    { locations }: CheckedContent,
  ): Promise<{ location: string; wanted: Wanted; seen: CheckedContent }[]> {
    const external: { location: string; wanted: Wanted; seen: CheckedContent }[] = [];
    for (const location of locations) {
      const url = this.#parts.origin.allowed(new URL(encodeURI(checkedLocation(location)), wanted.url).href);
      const data = { ...wanted, url, isModel: false };
      external.push({ location, wanted: data, seen: await this.#content(data) });
    }
    return external;
  }

  async #content(wanted: Wanted): Promise<CheckedContent> {
    const { seen, now } = this.#parts;
    const id = idOf(wanted.url, wanted.isModel, wanted.tenant);
    const known = seen.get(id);
    if (known !== undefined && now() - known.checkedMs < this.#options.urlMaxAgeMs) return known;
    const underway = this.#underway.get(id);
    if (underway !== undefined) return underway;
    const looking = this.#look(wanted, id, known).finally(() => this.#underway.delete(id));
    this.#underway.set(id, looking);
    return looking;
  }

  /** What a URL holds now, as cheaply as its origin can be brought to say. */
  async #look(wanted: Wanted, id: string, known: CheckedContent | undefined): Promise<CheckedContent> {
    const { mirrors, origin } = this.#parts;
    const signal = AbortSignal.timeout(this.#options.urlFetchMs);
    const reported = async (): Promise<PeerUrlRecord[]> => agreed(await mirrors.records(id, wanted.tenant, signal));
    const records: UrlContent[] = known === undefined ? await reported() : [known];
    const found = await origin.ask(wanted.url, conditionOf(records), async (reply) => {
      if (reply.statusCode === 304) return meant(records, reply.headers);
      // It has changed, and somebody else may have what it holds now.
      const changed = known === undefined ? [] : await reported();
      return changed.find((record) => isAbout(record, reply.headers)) ?? this.#receive(reply, wanted);
    });
    return found === undefined ? this.#download(wanted) : this.#saw(id, found);
  }

  /** Fetches what a URL holds, whatever is known of it. */
  async #download(wanted: Wanted, signal?: AbortSignal): Promise<CheckedContent> {
    const found = await this.#parts.origin.ask(wanted.url, {}, (reply) => this.#receive(reply, wanted), signal);
    return this.#saw(idOf(wanted.url, wanted.isModel, wanted.tenant), found);
  }

  #saw(id: string, found: UrlContent): CheckedContent {
    const { seen, now } = this.#parts;
    const saw = { ...found, checkedMs: now() };
    seen.set(id, saw);
    return saw;
  }

  /** Has a file of a model among the uploads. @throws ChangedError where its URL holds another */
  async #have(wanted: Wanted, seen: CheckedContent, signal: AbortSignal): Promise<void> {
    const { uploads, mirrors } = this.#parts;
    const { url, tenant, listener } = wanted;
    if (!uploads.has(seen.sha256, tenant) && !(await mirrors.bring(seen, tenant, listener, signal))) {
      const again = await this.#download(wanted, signal);
      if (again.sha256 !== seen.sha256) {
        if (seen.peer !== undefined && isAbout(seen, { etag: again.etag, 'last-modified': again.lastModified })) {
          mirrors.reject(seen.peer, `${url.href} does not hold ${seen.sha256}`);
        }
        throw new ChangedError(`${url.href} holds other bytes than it was thought to`);
      }
    }
    mirrors.keep(seen, tenant);
  }

  /** A peer may be wrong about a model's external data too. @throws ChangedError */
  async #checkLocations({ url, isModel, tenant }: Wanted, { sha256, locations, peer }: CheckedContent): Promise<void> {
    if (peer === undefined) return;
    const named = await this.#parts.models.scan(sha256, tenant).catch(() => undefined);
    if (named?.locations.join('\0') === locations.join('\0')) return;
    this.#parts.mirrors.reject(peer, `${sha256} does not name the external data that it was said to`);
    this.#parts.seen.delete(idOf(url, isModel, tenant));
    throw new ChangedError(`${url.href} is not what it was said to be`);
  }

  async #receive(reply: IncomingMessage, { isModel, listener, tenant }: Wanted): Promise<UrlContent> {
    const { modelBytesMax } = this.#options;
    const { uploads, models } = this.#parts;
    const total = Number(reply.headers['content-length'] ?? 0);
    if (total > modelBytesMax) throw tooLarge(total, modelBytesMax);
    const onBytes = (done: number): void => listener.progress('fetch', done, total);
    const { sha256, bytes } = await uploads.receive(reply, tenant, onBytes, modelBytesMax);
    const { etag, 'last-modified': lastModified } = reply.headers;
    const locations = isModel ? (await models.scan(sha256, tenant)).locations : [];
    return { sha256, bytes, etag, lastModified, locations };
  }
}

function tooLarge(bytes: number, bytesMax: number): PluginError {
  return new PluginError('ERR_MODEL_TOO_LARGE', `it has ${bytes} bytes, the limit is ${bytesMax}`);
}
