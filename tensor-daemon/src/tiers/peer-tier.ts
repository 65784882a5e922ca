import { ManifestSchema } from '../store/manifest';
import { isOfOneInstance, type Tenant } from '../tenant';
import { parseWord, type Told } from '../sources/url-word';
import { LiarError, type PeerCircle } from './peer-circle';
import type { PeerConfig, PeerCredentials } from './peer-config';
import type { PeerAccess } from './fetch-job';
import type { Bandwidth } from './rate-limit';
import type { CopyManifest, ModelCopy, Offer, OriginalTier, Tier, WantedModel, WantedOriginal } from './tier';

export interface PeerTierParts {
  circle: PeerCircle;
  credentials: PeerCredentials;
  bandwidth: Bandwidth;
}

/** The limits of what a peer may claim. */
export interface PeerLimits {
  modelBytesMax: number;
  graphBytesMax: number;
}

/**
 * What other daemons have: models as they are stored, models as they came, and word of what URLs held. Nobody is asked
 * for what is one instance's own, as there is only one.
 */
export class PeerTier implements Tier, OriginalTier {
  readonly name = 'peer';
  readonly parallelism: number;
  readonly access: PeerAccess;
  readonly #config: PeerLimits;
  readonly #circle: PeerCircle;

  constructor(config: PeerConfig & PeerLimits, { circle, credentials, bandwidth }: PeerTierParts) {
    const { bytesPerSecond, clock } = bandwidth;
    this.parallelism = config.peerParallelism;
    this.access = { credentials, timeoutMs: config.peerTimeoutMs, bytesPerSecond, clock };
    this.#config = config;
    this.#circle = circle;
  }

  async *copies({ modelKey, scope }: WantedModel, signal: AbortSignal): AsyncIterable<ModelCopy> {
    if (isOfOneInstance(scope)) return;
    yield* this.#circle.ask(async (peer) => {
      const text = await this.#circle.text(peer, `/v1/models/${modelKey}`, signal);
      if (text === undefined) return undefined;
      const pathOf = (kind: string, sha256: string): string =>
        kind === 'graph' ? `/v1/graphs/${modelKey}` : `/v1/tensors/${sha256}`;
      return { ...this.#offer(peer, pathOf), manifest: this.#checked(text, modelKey) };
    }, signal);
  }

  async *originals({ name, bytes, tenant }: WantedOriginal, signal: AbortSignal): AsyncIterable<Offer> {
    if (isOfOneInstance(tenant.scope)) return;
    const path = `/v1/originals/${name}`;
    yield* this.#circle.ask(async (peer) => {
      const size = await this.#circle.size(peer, path, signal);
      return size === bytes ? this.#offer(peer, () => path) : undefined;
    }, signal);
  }

  /** What peers say that a URL held. @param id of the URL among those who share: see idOf */
  async words(id: string, { scope }: Tenant, signal: AbortSignal): Promise<Told[]> {
    const words: Told[] = [];
    if (isOfOneInstance(scope)) return words;
    const asked = this.#circle.ask(async (peer) => {
      const text = await this.#circle.text(peer, `/v1/urls/${id}`, signal);
      if (text === undefined) return undefined;
      const word = parseWord(parseJson(text));
      if (word === undefined) throw new LiarError('it sent no word of a URL');
      return { ...word, teller: peer };
    }, signal);
    for await (const word of asked) if (word.bytes <= this.#config.modelBytesMax) words.push(word);
    return words;
  }

  /** What a peer has said was not so. */
  refute(peer: string, detail: string): void {
    this.#circle.drop(peer, 'refuted', detail);
  }

  #offer(peer: string, pathOf: (kind: string, sha256: string) => string): Offer {
    return {
      from: peer,
      origin: ({ kind, sha256 }) => ({ kind: 'peer', peer, path: pathOf(kind, sha256) }),
      refuted: ({ kind, sha256 }) => this.refute(peer, `other bytes than ${kind} ${sha256}`),
      close: () => undefined,
    };
  }

  /** @throws LiarError where it is not a manifest of that model, or larger than a model may be */
  #checked(text: string, modelKey: string): CopyManifest {
    const { modelBytesMax, graphBytesMax } = this.#config;
    const parsed = ManifestSchema.required({ graphSha256: true }).safeParse(parseJson(text));
    if (!parsed.success || parsed.data.modelKey !== modelKey) throw new LiarError('it sent no manifest of the model');
    const { tensors, graphBytes, graphSha256 } = parsed.data;
    const tensorBytes = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
    // A tensor may lie in the store twice: as it is, and packed.
    if (graphBytes > graphBytesMax || tensorBytes > 3 * modelBytesMax) throw new LiarError('its model is too large');
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
