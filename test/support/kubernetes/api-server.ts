/**
 * Kubernetes' API as far as the invoker extension uses it, in this process: pods with resource versions, watches with
 * bookmarks, 410 for versions that are too old, logs, leases, nodes. What goes wrong is injected by {@link
 * ApiServer.faults}.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Lease, Pod } from '@tetris/invoker-extension';
import { ObjectStore, Refusal, type StoredObject } from './pod-store';

/** What a request is: the hooks decide by it. */
export interface ApiRequest {
  method: string;
  path: string;
  watch: boolean;
}

export interface ApiFaults {
  /** Before a request is heard: throw a {@link Refusal}, or return `'cut'` to break the connection. */
  before?: (request: ApiRequest) => 'cut' | void;
  /** After it has had its effect: `'cut'` loses the answer. */
  after?: (request: ApiRequest) => 'cut' | void;
  /** Refuses a pod, as quotas and admission do. */
  admit?: (pod: Pod) => void;
}

export interface ApiServerOptions {
  namespace?: string;
  /** Bearer tokens that are good; undefined: none is asked for. */
  tokens?: Set<string>;
  tls?: { key: Buffer; cert: Buffer };
  /** Between bookmarks. */
  bookmarkMs?: number;
}

type Handler = (request: ApiRequest, query: URLSearchParams, body: unknown, response: ServerResponse) => unknown;

export class ApiServer {
  readonly namespace: string;
  readonly pods: ObjectStore<Pod & StoredObject>;
  readonly leases: ObjectStore<Lease & StoredObject>;
  readonly nodes: ObjectStore<StoredObject>;
  readonly events: { reason: string; message: string; uid: string }[] = [];
  faults: ApiFaults = {};
  /** Requests so far, as `METHOD watch?`, by kind. */
  readonly counts = new Map<string, number>();
  /** Follows the output of a pod's container; set by a kubelet. */
  podLog: (pod: Pod, onChunk: (chunk: Buffer) => void) => { end: Promise<void>; stop: () => void } = () => {
    throw new Refusal(404, 'NotFound', 'there is no kubelet');
  };
  /** How a pod that is to be deleted ends; set by a kubelet. Default: at once. */
  onDelete: (pod: Pod, graceS: number) => void = (pod) => this.pods.delete(pod.metadata.name);
  readonly #options: ApiServerOptions;
  readonly #sockets = new Set<Socket>();
  readonly #watches = new Set<ServerResponse>();
  #server: Server | undefined;
  #port = 0;
  #version = 1000;

  constructor(options: ApiServerOptions = {}) {
    this.#options = options;
    this.namespace = options.namespace ?? 'openwhisk';
    const nextVersion = (): number => (this.#version += 1);
    this.pods = new ObjectStore('pods', nextVersion);
    this.leases = new ObjectStore('leases.coordination.k8s.io', nextVersion);
    this.nodes = new ObjectStore('nodes', nextVersion);
  }

  get url(): string {
    return `${this.#options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.#port}`;
  }

  /** Listens, at the port of before where there was one. */
  async start(): Promise<this> {
    const hear = (request: IncomingMessage, response: ServerResponse): void => void this.#hear(request, response);
    const { tls } = this.#options;
    const server = tls === undefined ? createServer(hear) : createTlsServer(tls, hear);
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  /** Breaks every connection and listens no more. What is stored stays. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** Breaks the watches that there are. */
  loseWatches(): void {
    for (const response of this.#watches) response.destroy();
  }

  async #hear(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', 'http://server');
    const request = {
      method: incoming.method ?? 'GET',
      path: url.pathname,
      watch: url.searchParams.get('watch') === 'true',
    };
    const kind = `${request.method}${request.watch ? ' watch' : ''}`;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    try {
      const body = await bodyOf(incoming);
      this.#authenticate(incoming.headers.authorization);
      if (this.faults.before?.(request) === 'cut') return void incoming.socket.destroy();
      const answer = this.#handler(request)(request, url.searchParams, body, response);
      if (answer === undefined) return;
      if (this.faults.after?.(request) === 'cut') return void incoming.socket.destroy();
      send(response, request.method === 'POST' ? 201 : 200, answer);
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(500, 'InternalError', String(error));
      send(response, refusal.code, statusObject(refusal), refusal.retryAfterSeconds);
    }
  }

  #authenticate(header: string | undefined): void {
    const { tokens } = this.#options;
    if (tokens === undefined || tokens.has(header?.replace('Bearer ', '') ?? '')) return;
    throw new Refusal(401, 'Unauthorized', 'Unauthorized');
  }

  #handler({ method, path }: ApiRequest): Handler {
    const inNamespace = `namespaces/${this.namespace}`;
    const pods = `/api/v1/${inNamespace}/pods`;
    const leases = `/apis/coordination.k8s.io/v1/${inNamespace}/leases`;
    const [, name, sub] = new RegExp(`^${pods}/([^/]+)(/log)?$`).exec(path) ?? [];
    if (path === pods && method === 'POST') return (_request, _query, body) => this.#createPod(body as Pod);
    if (path === pods && method === 'GET')
      return (request, query, _body, out) => this.#listOrWatch(request, query, out);
    if (name !== undefined && sub !== undefined) return (_request, _query, _body, out) => this.#log(name, out);
    if (name !== undefined && method === 'GET') return () => this.pods.get(name);
    if (name !== undefined && method === 'DELETE') return (_request, _query, body) => this.#deletePod(name, body);
    if (path === leases && method === 'GET') return () => listOf(this.leases.version, this.leases.list());
    if (path === leases) return (_request, _query, body) => this.leases.create(body as Lease, this.namespace);
    if (path === pods.replace(/pods$/, 'events')) return (_request, query) => this.#eventsOf(query);
    if (path.startsWith('/api/v1/nodes/')) return () => this.nodes.get(path.slice('/api/v1/nodes/'.length));
    throw new Refusal(404, 'NotFound', 'the server could not find the requested resource');
  }

  #createPod(pod: Pod): Pod {
    this.faults.admit?.(pod);
    return this.pods.create({ ...pod, status: { phase: 'Pending' } }, this.namespace);
  }

  #deletePod(name: string, options: unknown): Pod {
    const { gracePeriodSeconds: graceS = 30, preconditions } = (options ?? {}) as {
      gracePeriodSeconds?: number;
      preconditions?: { uid?: string };
    };
    const pod = this.pods.get(name);
    if (preconditions?.uid !== undefined && preconditions.uid !== pod.metadata.uid) {
      throw new Refusal(409, 'Conflict', `the UID in the precondition (${preconditions.uid}) does not match`);
    }
    if (pod.metadata.deletionTimestamp !== undefined) return pod;
    const marked = this.pods.update(name, (it) => (it.metadata.deletionTimestamp = new Date().toISOString())) ?? pod;
    this.onDelete(marked, graceS);
    return marked;
  }

  #listOrWatch({ watch }: ApiRequest, query: URLSearchParams, response: ServerResponse): unknown {
    const [label = '', value = ''] = (query.get('labelSelector') ?? '').split('=');
    const matches = (pod: Pod): boolean => label === '' || pod.metadata.labels?.[label] === value;
    if (!watch) return listOf(this.pods.version, this.pods.list(matches));
    this.#watch(Number(query.get('resourceVersion')), Number(query.get('timeoutSeconds')), matches, response);
    return undefined;
  }

  #watch(after: number, lifeS: number, matches: (pod: Pod) => boolean, response: ServerResponse): void {
    const write = (event: unknown): void => {
      if (!response.headersSent) response.writeHead(200, { 'content-type': 'application/json' });
      response.write(`${JSON.stringify(event)}\n`);
    };
    const unfollow = this.pods.follow(after, ({ type, object }) => {
      if (matches(object)) write({ type, object });
    });
    if (!response.headersSent) response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const bookmark = setInterval(() => {
      const object = { kind: 'Pod', metadata: { resourceVersion: String(this.pods.version) } };
      write({ type: 'BOOKMARK', object });
    }, this.#options.bookmarkMs ?? 500);
    const end = setTimeout(() => response.end(), lifeS * 1000);
    this.#watches.add(response);
    response.once('close', () => {
      unfollow();
      clearInterval(bookmark);
      clearTimeout(end);
      this.#watches.delete(response);
    });
  }

  /** Ends every watch as a server does that finds out only now that a version is too old. */
  expireWatches(): void {
    this.pods.compact();
    const object = statusObject(new Refusal(410, 'Expired', 'too old resource version'));
    for (const response of this.#watches) response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
  }

  #log(name: string, response: ServerResponse): undefined {
    const pod = this.pods.get(name);
    response.writeHead(200, { 'content-type': 'text/plain' });
    response.flushHeaders();
    const { end, stop } = this.podLog(pod, (chunk) => response.write(chunk));
    response.once('close', stop);
    void end.then(() => response.end());
    return undefined;
  }

  #eventsOf(query: URLSearchParams): unknown {
    const uid = query.get('fieldSelector')?.replace('involvedObject.uid=', '');
    return listOf(
      this.pods.version,
      this.events.filter((event) => event.uid === uid),
    );
  }
}

const listOf = (version: number, items: unknown[]): unknown => ({
  kind: 'List',
  metadata: { resourceVersion: String(version) },
  items,
});

const statusObject = ({ code, reason, message }: Refusal): unknown => ({
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  message,
  reason,
  code,
});

function send(response: ServerResponse, code: number, object: unknown, retryAfterSeconds?: number): void {
  const headers = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
  response.writeHead(code, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(object));
}

async function bodyOf(incoming: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString());
}
