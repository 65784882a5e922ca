import { Pool } from 'undici';
import { DUE_HEADER, INFERENCE_HEADER, START_HEADER, START_STAGES, TRACE_HEADER } from '@tetris/common/environment';
import { retry } from '@tetris/common/flow';
import type { ActionPath, CallOptions, ContainerReply, InferenceReport, StartStages } from './container';

/** Where a container listens. */
export type ActionAddress = { socketPath: string } | { host: string; port: number };

/** Between attempts to connect while nobody has listened yet; stock waits for 50 ms and 100 ms. */
const CONNECT_BACKOFF = { firstMs: 10, maxMs: 10 };

/** Errors of the connection attempt itself: the request has not left. */
const UNREACHED = new Set(['ENOENT', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

/**
 * Speaks `/init` and `/run` with one container. A connection for each request, as stock: a reused one could be closed
 * by the container at the very moment it is used again, which looks like a crash.
 */
export class ActionClient {
  readonly #pool: Pool;
  /** Set by the first connection; from then on a refusal means that the container is gone. */
  #listened = false;
  readonly #closed = new AbortController();

  constructor(address: ActionAddress) {
    const options = { pipelining: 0, headersTimeout: 0, bodyTimeout: 0, connections: null };
    this.#pool =
      'socketPath' in address
        ? new Pool('http://container', { ...options, connect: { socketPath: address.socketPath } })
        : new Pool(`http://${address.host}:${address.port}`, options);
  }

  /** Never throws; attempts to connect are repeated within the timeout until somebody has listened once. */
  async post(path: ActionPath, body: string, options: CallOptions): Promise<ContainerReply> {
    if (this.#closed.signal.aborted) return { outcome: 'gone', reached: false };
    const timeout = AbortSignal.timeout(options.timeoutMs);
    const signal = AbortSignal.any([timeout, this.#closed.signal]);
    const attempt = (): Promise<ContainerReply> => this.#attempt(path, body, options, signal);
    const again = (error: unknown): boolean => !this.#listened && UNREACHED.has(codeOf(error));
    try {
      return await retry(attempt, { backoff: CONNECT_BACKOFF, signal, again });
    } catch (error) {
      return timeout.aborted ? { outcome: 'timeout' } : { outcome: 'gone', reached: !UNREACHED.has(codeOf(error)) };
    }
  }

  /** Ends requests under way (they answer `gone`) and attempts to connect. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#pool.destroy();
  }

  async #attempt(
    path: string,
    body: string,
    { replyBytesMax, dueMs, traceparent }: CallOptions,
    signal: AbortSignal,
  ): Promise<ContainerReply> {
    const reply = await this.#pool.request({
      path,
      method: 'POST',
      body,
      headers: {
        'content-type': 'application/json',
        ...(dueMs !== undefined && { [DUE_HEADER]: String(dueMs) }),
        ...(traceparent !== undefined && { [TRACE_HEADER]: traceparent }),
      },
      signal,
    });
    this.#listened = true;
    const length = reply.headers['content-length'];
    if (typeof length !== 'string') {
      // Chunked: both stock clients discard such a reply.
      reply.body.on('error', () => undefined).destroy();
      return { outcome: 'gone', reached: true };
    }
    const bytes = Number(length);
    const { text, truncated } = await readUpTo(reply.body, replyBytesMax);
    const inference = inferenceOf(reply.headers[INFERENCE_HEADER]);
    const stages = stagesOf(reply.headers[START_HEADER]);
    return { outcome: 'answered', status: reply.statusCode, body: text, bytes, truncated, inference, stages };
  }
}

const INFERENCE = /^(\d{1,9}),(\d{1,5}),(\d{1,9}),(\d{1,5})$/;

/** `waitedMs,requests,executionMs,batch`; undefined for anything else. */
function inferenceOf(header: string | string[] | undefined): InferenceReport | undefined {
  const text = typeof header === 'string' ? header : '';
  const numbers = INFERENCE.exec(text)?.slice(1).map(Number) ?? [];
  const [waitedMs, requests, executionMs, batch] = numbers;
  if (waitedMs === undefined || requests === undefined || executionMs === undefined || batch === undefined) {
    return undefined;
  }
  return { waitedMs, requests, executionMs, batch };
}

/** `<stage>=<ms>,...`; what is none is left out. */
function stagesOf(header: string | string[] | undefined): StartStages | undefined {
  if (typeof header !== 'string') return undefined;
  const told = new Map(header.split(',').map((entry) => entry.split('=', 2) as [string, string | undefined]));
  const stages = START_STAGES.map((stage) => [stage, Number(told.get(stage) ?? NaN)] as const);
  return Object.fromEntries(stages.filter(([, ms]) => ms >= 0 && ms < Infinity));
}

async function readUpTo(
  body: AsyncIterable<Buffer> & { destroy(): unknown },
  bytesMax: number,
): Promise<{ text: string; truncated: boolean }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > bytesMax) break;
  }
  const text = Buffer.concat(chunks).subarray(0, bytesMax).toString('utf8');
  return { text, truncated: bytes > bytesMax };
}

function codeOf(error: unknown): string {
  // Not by instanceof: an error of the network may come from another realm.
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? code : '';
}
