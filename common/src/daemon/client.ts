import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { isPluginError } from '../errors';
import { type Lease, type ProgressListener, readLease } from './lease';
import type { DaemonHealth, LeaseRequest, PrivateLoad, UploadReply } from './protocol';
import { ask, type DaemonRequest, endOf, openReply, refusalOf, textOf, unavailable } from './request';

export type { Lease, ProgressListener } from './lease';

/** Silence of the daemon after which a request fails with `ERR_DAEMON_UNAVAILABLE`, ms. */
export interface DaemonBounds {
  /** Until the answer begins. @default 10_000 */
  answerMs: number;
  /** Between two lines about a lease that is being made: longer than any step of an ingest. @default 900_000 */
  leaseMs: number;
  /** Of an upload, whose producer may be slow. @default 60_000 */
  uploadMs: number;
}

export const DAEMON_BOUNDS: DaemonBounds = { answerMs: 10_000, leaseMs: 900_000, uploadMs: 60_000 };

/**
 * What an instance may ask of the daemon (the instance socket).
 *
 * @throws from every method PluginError with the daemon's code, or `ERR_DAEMON_UNAVAILABLE` (retriable) when nobody
 *   answers
 */
export class DaemonClient {
  readonly #socketPath: string;
  readonly #bounds: DaemonBounds;
  readonly #traceparent: (() => string | undefined) | undefined;

  /** @param traceparent whose span a lease is part of, at the time that it is asked for */
  constructor(socketPath: string, bounds: Partial<DaemonBounds> = {}, traceparent?: () => string | undefined) {
    this.#socketPath = socketPath;
    this.#traceparent = traceparent;
    this.#bounds = { ...DAEMON_BOUNDS, ...bounds };
  }

  /**
   * Leases a model, ingesting it first where nobody has. Each lease has a connection of its own.
   * @param signal gives up while it is being made; a lease that was granted is ended by {@link Lease.release} alone
   */
  async lease(wanted: LeaseRequest, onProgress?: ProgressListener, signal?: AbortSignal): Promise<Lease> {
    const ending = new AbortController();
    const giveUp = (): void => ending.abort(signal?.reason);
    signal?.throwIfAborted();
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      const body = JSON.stringify(wanted);
      const { answerMs: silenceMs } = this.#bounds;
      const asked: DaemonRequest = {
        method: 'POST',
        path: '/v1/leases',
        body,
        silenceMs,
        signal: ending.signal,
        traceparent: this.#traceparent?.(),
      };
      return await this.#granted(await openReply(this.#socketPath, asked), onProgress);
    } catch (error) {
      throw isPluginError(error) || ending.signal.aborted ? error : unavailable(this.#socketPath, error);
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  }

  /**
   * Sends a model's bytes; the daemon keeps them for a while, so that a lease by their digest finds them.
   *
   * @param bytes a stream is read once and destroyed in any case
   * @param instance the instance's token, where it has one
   * @throws also the error of the stream
   */
  async upload(bytes: Uint8Array | Readable, instance?: string, signal?: AbortSignal): Promise<UploadReply> {
    const silenceMs = this.#bounds.uploadMs;
    return ask(this.#socketPath, { method: 'PUT', path: '/v1/uploads', body: bytes, silenceMs, instance, signal });
  }

  /** Tells that a model was loaded privately, for the metrics. */
  async privateLoad(load: PrivateLoad): Promise<void> {
    const body = JSON.stringify(load);
    const { answerMs: silenceMs } = this.#bounds;
    return ask(this.#socketPath, { method: 'POST', path: '/v1/private-loads', body, silenceMs });
  }

  async health(): Promise<DaemonHealth> {
    return ask(this.#socketPath, { method: 'GET', path: '/v1/health', silenceMs: this.#bounds.answerMs });
  }

  async #granted(reply: IncomingMessage, onProgress?: ProgressListener): Promise<Lease> {
    try {
      if (reply.statusCode !== 200) throw refusalOf(await textOf(reply));
      reply.socket.setTimeout(this.#bounds.leaseMs);
      const lease = await readLease(reply, onProgress);
      reply.socket.setTimeout(0);
      return lease;
    } catch (error) {
      endOf(reply);
      throw error;
    }
  }
}
