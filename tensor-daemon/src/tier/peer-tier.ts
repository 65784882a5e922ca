import { ManifestSchema } from '../store/manifest';
import { isOfOneInstance, type Tenant } from '../tenant';
import { parseUrlRecord, type PeerUrlRecord } from '../source/url-record';
import { PeerReplyError, type PeerPool } from './peer-pool';
import type { PeerCredentials } from '../transfer/peer-auth';
import type { PeerConfig } from './peer-config';
import type { PeerAccess } from '../transfer/fetch-job';
import type { Bandwidth } from '../transfer/rate-limit';
import type { Offer } from '../transfer/offer';
import type { CopyManifest, ModelCopy, OriginalTier, Tier, WantedModel, WantedOriginal } from './tier';

export interface PeerTierParts {
  pool: PeerPool;
  credentials: PeerCredentials;
  bandwidth: Bandwidth;
}

/** The limits of what a peer may claim. */
export interface PeerLimits {
  modelBytesMax: number;
  graphBytesMax: number;
}

/**
 * What other daemons have: models as they are stored, models as they came, and records of what URLs held. Nobody is
 * asked for what is one instance's own, as there is only one.
 */
export class PeerTier implements Tier, OriginalTier {
  readonly name = 'peer';
  readonly parallelism: number;
  readonly access: PeerAccess;
  readonly #config: PeerLimits;
  readonly #pool: PeerPool;

  constructor(config: PeerConfig & PeerLimits, { pool, credentials, bandwidth }: PeerTierParts) {
    const { bytesPerSecond, clock } = bandwidth;
    this.parallelism = config.peerParallelism;
    this.access = { credentials, timeoutMs: config.peerTimeoutMs, bytesPerSecond, clock };
    this.#config = config;
    this.#pool = pool;
  }

  async *copies({ modelKey, scope }: WantedModel, signal: AbortSignal): AsyncIterable<ModelCopy> {
    if (isOfOneInstance(scope)) return;
    yield* this.#pool.ask(async (peer, within) => {
      const text = await this.#pool.text(peer, `/v1/models/${modelKey}`, within);
      if (text === undefined) return undefined;
      const pathOf = (kind: string, sha256: string): string =>
        kind === 'graph' ? `/v1/graphs/${modelKey}` : `/v1/tensors/${sha256}`;
      return { ...this.#offer(peer, pathOf), manifest: this.#checked(text, modelKey) };
    }, signal);
  }

  async *originals({ name, bytes, tenant }: WantedOriginal, signal: AbortSignal): AsyncIterable<Offer> {
    if (isOfOneInstance(tenant.scope)) return;
    const path = `/v1/originals/${name}`;
    yield* this.#pool.ask(async (peer, within) => {
      const size = await this.#pool.size(peer, path, within);
      return size === bytes ? this.#offer(peer, () => path) : undefined;
    }, signal);
  }

  /** What peers say that a URL held. @param id of the URL among those who share: see idOf */
  async records(id: string, { scope }: Tenant, signal: AbortSignal): Promise<PeerUrlRecord[]> {
    const records: PeerUrlRecord[] = [];
    if (isOfOneInstance(scope)) return records;
    const asked = this.#pool.ask(async (peer, within) => {
      const text = await this.#pool.text(peer, `/v1/urls/${id}`, within);
      if (text === undefined) return undefined;
      const record = parseUrlRecord(parseJson(text));
      if (record === undefined) throw new PeerReplyError('it sent no record of a URL');
      return { ...record, peer };
    }, signal);
    for await (const record of asked) if (record.bytes <= this.#config.modelBytesMax) records.push(record);
    return records;
  }

  /** What a peer has said was not so. */
  reject(peer: string, detail: string): void {
    this.#pool.drop(peer, 'refuted', detail);
  }

  #offer(peer: string, pathOf: (kind: string, sha256: string) => string): Offer {
    return {
      from: peer,
      origin: ({ kind, sha256 }) => ({ kind: 'peer', peer, path: pathOf(kind, sha256) }),
      reject: ({ kind, sha256 }) => this.reject(peer, `other bytes than ${kind} ${sha256}`),
      close: () => undefined,
    };
  }

  /** @throws PeerReplyError where it is not a manifest of that model, or larger than a model may be */
  #checked(text: string, modelKey: string): CopyManifest {
    const { modelBytesMax, graphBytesMax } = this.#config;
    const parsed = ManifestSchema.required({ graphSha256: true }).safeParse(parseJson(text));
    if (!parsed.success || parsed.data.modelKey !== modelKey)
      throw new PeerReplyError('it sent no manifest of the model');
    const { tensors, graphBytes, graphSha256 } = parsed.data;
    const tensorBytes = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
    // A tensor may lie in the store twice: as it is, and packed.
    if (graphBytes > graphBytesMax || tensorBytes > 3 * modelBytesMax)
      throw new PeerReplyError('its model is too large');
    return { ...parsed.data, graphSha256 };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
