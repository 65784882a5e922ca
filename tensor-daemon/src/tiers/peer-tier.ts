import { randomInt } from 'node:crypto';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { errorMessage, type Logger, PluginError } from '@tetris/common';
import type { DaemonMetrics } from '../metrics';
import { ManifestSchema } from '../store/manifest';
import { isOfOneInstance } from '../tenant';
import { checkAnswer, SIGNATURE_HEADER, signRequest } from './peer-auth';
import { isPeerUrl, type PeerConfig, type PeerCredentials } from './peer-config';
import type { PeerAccess } from './fetch-job';
import type { Bandwidth } from './rate-limit';
import type { CopyManifest, ModelCopy, Tier, WantedModel } from './tier';

/** Largest manifest taken from a peer. */
const MANIFEST_BYTES_MAX = 32 * 1024 * 1024;

export interface PeerTierParts {
  credentials: PeerCredentials;
  bandwidth: Bandwidth;
  metrics: Pick<DaemonMetrics, 'peerFailures'>;
  log: Logger;
  now: () => number;
}

/** The limits of what a peer may claim. */
export interface PeerLimits {
  modelBytesMax: number;
  graphBytesMax: number;
}

/** A peer that does not answer, or whose bytes were refuted, is left alone for a while. */
export class PeerTier implements Tier {
  readonly name = 'peer';
  readonly parallelism: number;
  readonly access: PeerAccess;
  readonly #config: PeerConfig & PeerLimits;
  readonly #parts: PeerTierParts;
  #told: readonly string[] = [];
  readonly #droppedUntilMs = new Map<string, number>();

  constructor(config: PeerConfig & PeerLimits, parts: PeerTierParts) {
    const { credentials, bandwidth } = parts;
    const { bytesPerSecond, clock } = bandwidth;
    this.parallelism = config.peerParallelism;
    this.access = { credentials, timeoutMs: config.peerTimeoutMs, bytesPerSecond, clock };
    this.#config = config;
    this.#parts = parts;
  }

  /** Peers beside the configured ones; what was said before is forgotten. @throws PluginError `ERR_BAD_REQUEST` */
  setPeers(peers: readonly string[]): void {
    const { tls } = this.#parts.credentials;
    const wrong = peers.find((peer) => !isPeerUrl(peer, tls !== undefined));
    if (wrong !== undefined) throw new PluginError('ERR_BAD_REQUEST', `'${wrong}' is no URL of a peer`);
    this.#told = peers;
    for (const peer of this.#droppedUntilMs.keys()) if (!this.#all().includes(peer)) this.#droppedUntilMs.delete(peer);
  }

  #all(): string[] {
    return [...new Set([...this.#config.peers, ...this.#told])];
  }

  /** Configured ones first, then any of the others, as many as may be asked. */
  #askable(): string[] {
    const { peers, peersAskedMax } = this.#config;
    const now = this.#parts.now();
    const askable = this.#all().filter((peer) => (this.#droppedUntilMs.get(peer) ?? 0) <= now);
    const [own, others] = [
      askable.filter((peer) => peers.includes(peer)),
      askable.filter((peer) => !peers.includes(peer)),
    ];
    return [...own, ...shuffled(others)].slice(0, peersAskedMax);
  }

  /**
   * Asks all peers at once; hands out those that have the model in the order in which they answer. Asks nobody for what
   * is one instance's own, as there is only one.
   */
  async *copies({ modelKey, scope }: WantedModel, signal: AbortSignal): AsyncIterable<ModelCopy> {
    if (isOfOneInstance(scope)) return;
    const asked = this.#askable().map((peer) => this.#ask(peer, modelKey, signal));
    const waiting = new Map(asked.map((answer, index) => [index, answer.then((copy) => ({ index, copy }))]));
    while (waiting.size > 0) {
      const { index, copy } = await Promise.race(waiting.values());
      waiting.delete(index);
      if (copy !== undefined) yield copy;
    }
  }

  async #ask(peer: string, modelKey: string, signal: AbortSignal): Promise<ModelCopy | undefined> {
    try {
      const manifest = await this.#manifest(peer, modelKey, signal);
      if (manifest === undefined) return undefined;
      return {
        from: peer,
        manifest,
        origin: ({ kind, sha256 }) => {
          return { kind: 'peer', peer, path: kind === 'graph' ? `/v1/graphs/${modelKey}` : `/v1/tensors/${sha256}` };
        },
        refuted: ({ kind, sha256 }) => this.#drop(peer, 'refuted', `other bytes than ${kind} ${sha256}`),
        close: () => undefined,
      };
    } catch (error) {
      if (!signal.aborted) this.#drop(peer, error instanceof LiarError ? 'refuted' : 'silent', errorMessage(error));
      return undefined;
    }
  }

  /** @returns undefined where the peer has not got the model */
  async #manifest(peer: string, modelKey: string, signal: AbortSignal): Promise<CopyManifest | undefined> {
    const { secret } = this.#parts.credentials;
    const { reply, nonce } = await this.#get(peer, `/v1/models/${modelKey}`, signal);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of reply as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MANIFEST_BYTES_MAX) throw new LiarError('its manifest does not end');
      chunks.push(chunk);
    }
    if (reply.statusCode === 404) return undefined;
    if (reply.statusCode !== 200) throw new Error(`it answers with status ${reply.statusCode}`);
    const text = Buffer.concat(chunks).toString('utf8');
    const signature = String(reply.headers[SIGNATURE_HEADER] ?? '');
    if (secret !== undefined && !checkAnswer(secret, nonce, text, signature))
      throw new LiarError('its answer is not signed');
    return this.#checked(text, modelKey);
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

  #drop(peer: string, reason: 'refuted' | 'silent', detail: string): void {
    const { metrics, log, now } = this.#parts;
    metrics.peerFailures.inc({ reason });
    this.#droppedUntilMs.set(peer, now() + this.#config.peerRetryMs);
    log.warn({ peer, reason, detail }, 'peer dropped');
  }

  #get(peer: string, path: string, signal: AbortSignal): Promise<{ reply: IncomingMessage; nonce: string }> {
    const { peerTimeoutMs } = this.#config;
    const { secret, tls } = this.#parts.credentials;
    const wanted = { method: 'GET', path, range: '' };
    const signed = secret === undefined ? undefined : signRequest(secret, wanted, Date.now());
    const headers = signed && { [SIGNATURE_HEADER]: signed.header };
    const open = tls === undefined ? httpRequest : httpsRequest;
    return new Promise((resolve, reject) => {
      const request = open(new URL(path, peer), {
        ...(headers && { headers }),
        agent: false,
        signal,
        timeout: peerTimeoutMs,
        ...tls,
      });
      request.once('response', (reply) => resolve({ reply, nonce: signed?.nonce ?? '' }));
      request.once('timeout', () => request.destroy(new Error(`nothing came for ${peerTimeoutMs} ms`)));
      request.on('error', reject);
      request.end();
    });
  }
}

/** A peer that says what is not so. */
class LiarError extends Error {}

function shuffled<T>(items: readonly T[]): T[] {
  const order = items.map((item) => ({ item, rank: randomInt(2 ** 32) }));
  return order.sort((one, other) => one.rank - other.rank).map(({ item }) => item);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
