import { open } from 'node:fs/promises';
import { createServer as createHttp, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { errorMessage, hashFile, type Logger, PluginError } from '@tetris/common';
import type { UrlRecord } from '../source/url-record';
import { hasCode } from '../store/files';
import { GRAPH_FILE, MANIFEST_FILE, type StoreLayout } from '../store/layout';
import { readManifest } from '../store/manifest';
import { checkRequest, SIGNATURE_HEADER, signAnswer, type PeerCredentials } from '../transfer/peer-auth';
import { parseListen, type PeerConfig } from './peer-config';
import type { Bandwidth } from '../transfer/rate-limit';
import { sendFirst } from '../transfer/send-file';
import type { CopyManifest } from './tier';

/** Time for a request's headers to arrive. */
const HEADERS_TIMEOUT_MS = 10_000;

const ROUTE = /^\/v1\/(?:(models|tensors|graphs|urls)\/([0-9a-f]{64})|(originals)\/((?:[0-9a-f]{64}-)?[0-9a-f]{64}))$/;
const RANGE = /^bytes=(\d+)-$/;

export interface PeerServer {
  /** Where it listens, for a port that was left to the system. */
  readonly port: number;
  close(): Promise<void>;
}

/** What is served of models as they came. */
export interface ServedSources {
  /** What a URL held, where that can be confirmed. @param id see idOf */
  record(id: string): UrlRecord | undefined;
  /** Where a file may lie. @param name see nameOf */
  paths(name: string): string[];
}

export interface PeerServerParts {
  /** Where models lie, best first: the store and the disk tier. */
  layouts: readonly StoreLayout[];
  sources: ServedSources;
  credentials: PeerCredentials;
  bandwidth: Bandwidth;
  log: Logger;
}

/**
 * Serves models to other daemons: `GET /v1/models/<key>` a signed manifest, `/v1/graphs/<key>` and
 * `/v1/tensors/<sha256>` bytes, from an offset on where a range asks for it. Of what models were made of,
 * `/v1/urls/<id>` a signed record of what a URL held, and `/v1/originals/<name>` bytes, or with `HEAD` only their
 * number. Whoever cannot show a certificate or sign a request gets 401 and learns nothing.
 */
export async function startPeerServer(
  { peerListen, peerConnectionsMax, peerTimeoutMs }: PeerConfig,
  { layouts, sources, credentials, bandwidth, log }: PeerServerParts,
): Promise<PeerServer> {
  const { secret, tls } = credentials;
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    serve(request, response).catch((error: unknown) => {
      log.debug({ url: request.url, reason: errorMessage(error) }, 'peer not served');
      if (response.headersSent) response.destroy();
      else response.writeHead(hasCode(error, 'ENOENT') ? 404 : 500).end();
    });
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = request;
    const range = headers.range ?? '';
    const header = String(headers[SIGNATURE_HEADER] ?? '');
    const nonce = secret === undefined ? '' : checkRequest(secret, { method, path, range }, header, Date.now());
    if (nonce === undefined) return void response.writeHead(401).end();
    const match = ROUTE.exec(path) ?? [];
    const [kind = '', name = ''] = match.slice(1).filter((part) => part !== undefined);
    const headOnly = method === 'HEAD' && kind === 'originals';
    if (kind === '' || (method !== 'GET' && !headOnly)) return void response.writeHead(404).end();
    if (kind === 'models') return sendManifest(response, name, nonce);
    if (kind === 'urls') return sendText(response, sources.record(name), nonce);
    const paths = kind === 'originals' ? sources.paths(name) : layouts.map((layout) => pathIn(layout, kind, name));
    await sendFirst(response, paths, { offset: Number(RANGE.exec(range)?.[1] ?? 0), headOnly }, bandwidth);
  }

  async function sendManifest(response: ServerResponse, modelKey: string, nonce: string): Promise<void> {
    for (const layout of layouts) {
      const manifest = readManifest(join(layout.model(modelKey), MANIFEST_FILE));
      if (manifest === undefined) continue;
      const copy: CopyManifest = { ...manifest, graphSha256: await digestOf(graphPath(layout, modelKey)) };
      return sendText(response, copy, nonce);
    }
    response.writeHead(404).end();
  }

  function sendText(response: ServerResponse, value: CopyManifest | UrlRecord | undefined, nonce: string): void {
    if (value === undefined) return void response.writeHead(404).end();
    const text = JSON.stringify(value);
    if (secret !== undefined) response.setHeader(SIGNATURE_HEADER, signAnswer(secret, nonce, text));
    response.writeHead(200, { 'content-type': 'application/json' }).end(text);
  }

  const server =
    tls === undefined
      ? createHttp(answer)
      : createHttps({ ...tls, requestCert: true, rejectUnauthorized: true }, answer);
  server.maxConnections = peerConnectionsMax;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.setTimeout(peerTimeoutMs);
  await listen(server, peerListen);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function pathIn(layout: StoreLayout, kind: string, digest: string): string {
  return kind === 'tensors' ? layout.tensor(digest) : graphPath(layout, digest);
}

function graphPath(layout: StoreLayout, modelKey: string): string {
  return join(layout.model(modelKey), GRAPH_FILE);
}

async function digestOf(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    return await hashFile(file);
  } finally {
    await file.close();
  }
}

function listen(server: Server, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(new PluginError('ERR_CONFIG_INVALID', `peerListen ${address}: ${error.message}`, { cause: error }));
    });
    server.listen(parseListen(address), resolve);
  });
}
