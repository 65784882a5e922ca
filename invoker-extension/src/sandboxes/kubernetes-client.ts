import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { errorMessage, PluginError } from '@tetris/common';
import { Agent, type Dispatcher } from 'undici';
import type { Lease, List, ObjectMeta, Pod, Status, WatchEvent } from './kubernetes-types';

export interface KubernetesClientOptions {
  url: string;
  namespace: string;
  /** File of the bearer token; undefined: requests carry none. */
  tokenPath?: string | undefined;
  /** Authority of the API server, PEM. Used for https only. */
  caPath?: string | undefined;
  /** Of every call but watches and logs. */
  callTimeoutMs: number;
}

interface Call {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  query?: Record<string, string | number | boolean>;
  body?: unknown;
}

/** Tokens of service accounts rotate; kubelet renews the file well before the old one ends. */
const TOKEN_MS = 60_000;
/** A watch that is silent for longer than it may live is lost. */
const SILENCE_MS = 10_000;
const TOO_MANY = 429;
const SERVER_ERROR = 500;

/**
 * The few calls to Kubernetes' API that the invoker makes.
 *
 * Every method throws PluginError `ERR_KUBERNETES_API`: `fields.status` and `fields.reason` are the server's where it
 * answered, `fields.retryAfterMs` is when it wants to be asked again; retriable where the same call may work later.
 */
export class KubernetesClient {
  readonly #options: KubernetesClientOptions;
  readonly #agent: Agent;
  readonly #pods: string;
  readonly #leases: string;
  #token: { text: string; readMs: number } | undefined;

  /** @throws PluginError `ERR_CONFIG_INVALID` where the authority's file cannot be read */
  constructor(options: KubernetesClientOptions) {
    this.#options = options;
    const inNamespace = `namespaces/${encodeURIComponent(options.namespace)}`;
    this.#pods = `/api/v1/${inNamespace}/pods`;
    this.#leases = `/apis/coordination.k8s.io/v1/${inNamespace}/leases`;
    this.#agent = new Agent({ connect: { ...authority(options), timeout: options.callTimeoutMs } });
  }

  createPod(pod: Pod): Promise<Pod> {
    return this.#json({ method: 'POST', path: this.#pods, body: pod });
  }

  getPod(name: string): Promise<Pod> {
    return this.#json({ method: 'GET', path: `${this.#pods}/${name}` });
  }

  listPods(labelSelector: string): Promise<List<Pod>> {
    return this.#json({ method: 'GET', path: this.#pods, query: { labelSelector } });
  }

  /** @param uid refuses to delete another pod of the same name (status 409) */
  async deletePod(name: string, { uid, graceS }: { uid?: string | undefined; graceS: number }): Promise<void> {
    const body = { kind: 'DeleteOptions', gracePeriodSeconds: graceS, ...(uid && { preconditions: { uid } }) };
    await this.#json({ method: 'DELETE', path: `${this.#pods}/${name}`, body });
  }

  /** Changes after a version, until the server or the signal ends the watch. */
  async *watchPods(
    { labelSelector, resourceVersion, lifeMs }: { labelSelector: string; resourceVersion: string; lifeMs: number },
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent<Pod>> {
    const timeoutSeconds = Math.ceil(lifeMs / 1000);
    const query = { watch: true, allowWatchBookmarks: true, labelSelector, resourceVersion, timeoutSeconds };
    const { body } = await this.#request({ method: 'GET', path: this.#pods, query }, signal, lifeMs + SILENCE_MS);
    try {
      for await (const line of linesOf(body)) yield JSON.parse(line) as WatchEvent<Pod>;
    } catch (error) {
      throw unreachable(error);
    }
  }

  /** Output of a container with timestamps, followed until its end. The caller destroys the stream. */
  async podLog(name: string, container: string, signal: AbortSignal): Promise<Readable> {
    const query = { container, timestamps: true, follow: true };
    return (await this.#request({ method: 'GET', path: `${this.#pods}/${name}/log`, query }, signal, 0)).body;
  }

  /** What the cluster says of a pod, the latest last: mounts that fail are told nowhere else. */
  async podEvents(uid: string): Promise<{ reason: string; message: string }[]> {
    const path = this.#pods.replace(/pods$/, 'events');
    const query = { fieldSelector: `involvedObject.uid=${uid}` };
    const { items } = await this.#json<List<{ reason?: string; message?: string }>>({ method: 'GET', path, query });
    return items.map(({ reason = '', message = '' }) => ({ reason, message }));
  }

  listLeases(labelSelector: string): Promise<List<Lease>> {
    return this.#json({ method: 'GET', path: this.#leases, query: { labelSelector } });
  }

  createLease(lease: Lease): Promise<Lease> {
    return this.#json({ method: 'POST', path: this.#leases, body: lease });
  }

  getNode(name: string): Promise<{ metadata: ObjectMeta }> {
    return this.#json({ method: 'GET', path: `/api/v1/nodes/${encodeURIComponent(name)}` });
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #json<T>(call: Call): Promise<T> {
    const { callTimeoutMs } = this.#options;
    const reply = await this.#request(call, AbortSignal.timeout(callTimeoutMs), callTimeoutMs);
    try {
      return (await reply.body.json()) as T;
    } catch (error) {
      throw unreachable(error);
    }
  }

  async #request(call: Call, signal: AbortSignal, silenceMs: number): Promise<Dispatcher.ResponseData> {
    const { url, callTimeoutMs } = this.#options;
    const token = await this.#bearer();
    const { method, path, query = {}, body } = call;
    let reply: Dispatcher.ResponseData;
    try {
      reply = await this.#agent.request({
        origin: url,
        path,
        method,
        query,
        headers: {
          accept: 'application/json',
          ...(token && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        body: body === undefined ? null : JSON.stringify(body),
        headersTimeout: callTimeoutMs,
        bodyTimeout: silenceMs,
        signal,
      });
    } catch (error) {
      throw unreachable(error);
    }
    if (reply.statusCode < 300) return reply;
    const status = (await reply.body.json().catch(() => undefined)) as Status | undefined;
    throw refusal(reply.statusCode, status, reply.headers['retry-after']);
  }

  async #bearer(): Promise<string> {
    const { tokenPath } = this.#options;
    if (tokenPath === undefined) return '';
    if (this.#token !== undefined && Date.now() - this.#token.readMs < TOKEN_MS) return this.#token.text;
    try {
      this.#token = { text: (await readFile(tokenPath, 'utf8')).trim(), readMs: Date.now() };
      return this.#token.text;
    } catch (error) {
      throw new PluginError('ERR_KUBERNETES_API', `token '${tokenPath}' cannot be read: ${errorMessage(error)}`, {
        cause: error,
      });
    }
  }
}

/** What an answer other than 2xx, or an ERROR of a watch, means. */
export function refusal(code: number, status?: Status, retryAfter?: string | string[]): PluginError {
  const reason = status?.reason ?? '';
  const text = status?.message ?? 'no reason is given';
  const seconds = Number(retryAfter ?? status?.details?.retryAfterSeconds ?? 0);
  const retryAfterMs = seconds > 0 ? seconds * 1000 : 0;
  return new PluginError('ERR_KUBERNETES_API', `Kubernetes says ${code} ${reason}: ${text}`, {
    retriable: code === TOO_MANY || code >= SERVER_ERROR,
    fields: { status: code, reason, retryAfterMs },
  });
}

/** HTTP status of a refusal; undefined where there was no answer, and for any other error. */
export function statusOf(error: unknown): number | undefined {
  const { code, fields } = error as { code?: unknown; fields?: { status?: unknown } };
  return code === 'ERR_KUBERNETES_API' && typeof fields?.status === 'number' ? fields.status : undefined;
}

function unreachable(error: unknown): PluginError {
  const text = `Kubernetes' API server does not answer: ${errorMessage(error)}`;
  return new PluginError('ERR_KUBERNETES_API', text, { cause: error, retriable: true });
}

function authority({ url, caPath }: KubernetesClientOptions): { ca?: Buffer } {
  if (caPath === undefined || !url.startsWith('https:')) return {};
  try {
    return { ca: readFileSync(caPath) };
  } catch (error) {
    const text = `authority '${caPath}' of Kubernetes' API server cannot be read: ${errorMessage(error)}`;
    throw new PluginError('ERR_CONFIG_INVALID', text, { cause: error });
  }
}

async function* linesOf(body: Readable): AsyncGenerator<string> {
  let rest = Buffer.alloc(0);
  for await (const chunk of body as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      yield rest.toString('utf8', 0, end);
      rest = rest.subarray(end + 1);
    }
  }
}
