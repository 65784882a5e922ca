import { randomInt } from 'node:crypto';
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { errorMessage, type Logger, PluginError } from '@tetris/common';
import type { DaemonMetrics } from '../metrics';
import { checkAnswer, SIGNATURE_HEADER, signRequest, type PeerCredentials } from '../transfer/peer-auth';
import { isPeerUrl, type PeerConfig } from './peer-config';

/** Longest text taken from a peer: a manifest. */
const TEXT_BYTES_MAX = 32 * 1024 * 1024;

export interface PeerPoolParts {
  credentials: PeerCredentials;
  metrics: Pick<DaemonMetrics, 'peerFailures'>;
  log: Logger;
  now: () => number;
}

/** What a peer is asked, within the time that its signal gives. @returns undefined where it has nothing to say */
type Question<T> = (peer: string, signal: AbortSignal) => Promise<T | undefined>;

/** A peer that says what is not so. */
export class PeerReplyError extends Error {}

/**
 * The daemons that may be asked, and how they are asked. One that does not answer, or whose answer was wrong, is left
 * alone for a while.
 */
export class PeerPool {
  readonly #config: PeerConfig;
  readonly #parts: PeerPoolParts;
  #announced: readonly string[] = [];
  readonly #droppedUntilMs = new Map<string, number>();

  constructor(config: PeerConfig, parts: PeerPoolParts) {
    this.#config = config;
    this.#parts = parts;
  }

  /** Peers beside the configured ones; what was said before is forgotten. @throws PluginError `ERR_BAD_REQUEST` */
  setPeers(peers: readonly string[]): void {
    const { tls } = this.#parts.credentials;
    const wrong = peers.find((peer) => !isPeerUrl(peer, tls !== undefined));
    if (wrong !== undefined) throw new PluginError('ERR_BAD_REQUEST', `'${wrong}' is no URL of a peer`);
    this.#announced = peers;
    for (const peer of this.#droppedUntilMs.keys()) if (!this.#all().includes(peer)) this.#droppedUntilMs.delete(peer);
  }

  /**
   * Asks all peers at once; hands out what they answer in the order in which they do. Who fails is dropped. Requests
   * that are under way when the caller has enough are ended.
   */
  async *ask<T>(question: Question<T>, signal: AbortSignal): AsyncIterable<T> {
    const enough = new AbortController();
    const over = AbortSignal.any([signal, enough.signal]);
    const asked = this.#askable().map(async (peer) => {
      try {
        return await question(peer, AbortSignal.any([over, AbortSignal.timeout(this.#config.peerTimeoutMs)]));
      } catch (error) {
        if (!over.aborted) this.drop(peer, error instanceof PeerReplyError ? 'refuted' : 'silent', errorMessage(error));
        return undefined;
      }
    });
    const waiting = new Map(asked.map((answer, index) => [index, answer.then((found) => ({ index, found }))]));
    try {
      while (waiting.size > 0) {
        const { index, found } = await Promise.race(waiting.values());
        waiting.delete(index);
        if (found !== undefined) yield found;
      }
    } finally {
      enough.abort();
    }
  }

  /**
   * What a peer says at a path. @returns undefined where it has nothing there @throws PeerReplyError where the answer
   * is not signed or does not end
   */
  async text(peer: string, path: string, signal: AbortSignal): Promise<string | undefined> {
    const { secret } = this.#parts.credentials;
    const { reply, nonce } = await this.#request('GET', peer, path, signal);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of reply as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > TEXT_BYTES_MAX) throw new PeerReplyError('its answer does not end');
      chunks.push(chunk);
    }
    if (!isThere(reply)) return undefined;
    const text = Buffer.concat(chunks).toString('utf8');
    const signature = String(reply.headers[SIGNATURE_HEADER] ?? '');
    if (secret !== undefined && !checkAnswer(secret, nonce, text, signature))
      throw new PeerReplyError('its answer is not signed');
    return text;
  }

  /** Bytes of the file that a peer has at a path. @returns undefined where it has none */
  async size(peer: string, path: string, signal: AbortSignal): Promise<number | undefined> {
    const { reply } = await this.#request('HEAD', peer, path, signal);
    reply.resume();
    return isThere(reply) ? Number(reply.headers['content-length']) : undefined;
  }

  drop(peer: string, reason: 'refuted' | 'silent', detail: string): void {
    const { metrics, log, now } = this.#parts;
    metrics.peerFailures.inc({ reason });
    this.#droppedUntilMs.set(peer, now() + this.#config.peerRetryMs);
    log.warn({ peer, reason, detail }, 'peer dropped');
  }

  #all(): string[] {
    return [...new Set([...this.#config.peers, ...this.#announced])];
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

  #request(
    method: 'GET' | 'HEAD',
    peer: string,
    path: string,
    signal: AbortSignal,
  ): Promise<{ reply: IncomingMessage; nonce: string }> {
    const { peerTimeoutMs } = this.#config;
    const { secret, tls } = this.#parts.credentials;
    const signed = secret === undefined ? undefined : signRequest(secret, { method, path, range: '' }, Date.now());
    const headers = signed && { [SIGNATURE_HEADER]: signed.header };
    const open = tls === undefined ? httpRequest : httpsRequest;
    return new Promise((resolve, reject) => {
      const request = open(new URL(path, peer), {
        method,
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

/** @throws Error where it says neither yes nor no */
function isThere({ statusCode }: IncomingMessage): boolean {
  if (statusCode === 200) return true;
  if (statusCode === 404) return false;
  throw new Error(`it answers with status ${statusCode}`);
}

function shuffled<T>(items: readonly T[]): T[] {
  const order = items.map((item) => ({ item, rank: randomInt(2 ** 32) }));
  return order.sort((one, other) => one.rank - other.rank).map(({ item }) => item);
}
