import { type FileHandle, open } from 'node:fs/promises';
import { createServer as createHttp, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage, type Logger, PluginError } from '@tetris/common';
import { hashFile } from '../sources/hash-file';
import { hasCode } from '../store/files';
import { GRAPH_FILE, MANIFEST_FILE, type StoreLayout } from '../store/layout';
import { readManifest } from '../store/manifest';
import { checkRequest, SIGNATURE_HEADER, signAnswer } from './peer-auth';
import { parseListen, type PeerConfig, type PeerCredentials } from './peer-config';
import { type Bandwidth, monotonicMs } from './rate-limit';
import type { CopyManifest } from './tier';

/** Time for a request's headers to arrive. */
const HEADERS_TIMEOUT_MS = 10_000;

/** Bytes read and sent at a time, at most. */
const CHUNK_BYTES = 1024 * 1024;

const ROUTE = /^\/v1\/(models|tensors|graphs)\/([0-9a-f]{64})$/;
const RANGE = /^bytes=(\d+)-$/;

export interface PeerServer {
  /** Where it listens, for a port that was left to the system. */
  readonly port: number;
  close(): Promise<void>;
}

export interface PeerServerParts {
  /** Where models lie, best first: the store and the disk tier. */
  layouts: readonly StoreLayout[];
  credentials: PeerCredentials;
  bandwidth: Bandwidth;
  log: Logger;
}

/**
 * Serves models to other daemons: `GET /v1/models/<key>` a signed manifest, `/v1/graphs/<key>` and `/v1/tensors/<sha256>`
 * bytes, from an offset on where a range asks for it. Whoever cannot show a certificate or sign a request gets 401 and
 * learns nothing.
 */
export async function startPeerServer(
  { peerListen, peerConnectionsMax, peerTimeoutMs }: PeerConfig,
  { layouts, credentials, bandwidth, log }: PeerServerParts,
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
    const [, kind, digest] = ROUTE.exec(path) ?? [];
    if (method !== 'GET' || kind === undefined || digest === undefined) return void response.writeHead(404).end();
    if (kind === 'models') return sendManifest(response, digest, nonce);
    const offset = Number(RANGE.exec(range)?.[1] ?? 0);
    await sendFile(response, kind === 'tensors' ? (at) => at.tensor(digest) : (at) => graphPath(at, digest), offset);
  }

  async function sendManifest(response: ServerResponse, modelKey: string, nonce: string): Promise<void> {
    for (const layout of layouts) {
      const manifest = readManifest(join(layout.model(modelKey), MANIFEST_FILE));
      if (manifest === undefined) continue;
      const copy: CopyManifest = { ...manifest, graphSha256: await digestOf(graphPath(layout, modelKey)) };
      const text = JSON.stringify(copy);
      if (secret !== undefined) response.setHeader(SIGNATURE_HEADER, signAnswer(secret, nonce, text));
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(text);
    }
    response.writeHead(404).end();
  }

  async function sendFile(
    response: ServerResponse,
    pathIn: (layout: StoreLayout) => string,
    offset: number,
  ): Promise<void> {
    // Once open, the file can be read to its end even if it leaves the store.
    const file = await openFirst(layouts.map(pathIn));
    try {
      const { size } = await file.stat();
      if (offset > size) return void response.writeHead(416).end();
      response.writeHead(offset > 0 ? 206 : 200, { 'content-length': size - offset });
      await sendFrom(file, offset, response, bandwidth);
      response.end();
    } finally {
      await file.close();
    }
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

/** Sends a file from an offset on, through one buffer: a fresh one for each read costs as much as the read. */
async function sendFrom(
  file: FileHandle,
  offset: number,
  response: ServerResponse,
  bandwidth: Bandwidth,
): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(bandwidth.pieceBytes(CHUNK_BYTES));
  for (let at = offset; ;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return;
    const waitMs = bandwidth.book(bytesRead, monotonicMs());
    if (waitMs > 0) await delay(waitMs);
    await written(response, buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/** Resolves when the system has taken the bytes. */
function written(response: ServerResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const closed = (): void => reject(new Error('the peer has gone'));
    if (response.destroyed) return closed();
    response.once('close', closed);
    response.write(bytes, (error) => {
      response.removeListener('close', closed);
      if (error) reject(error);
      else resolve();
    });
  });
}

function graphPath(layout: StoreLayout, modelKey: string): string {
  return join(layout.model(modelKey), GRAPH_FILE);
}

async function openFirst(paths: readonly string[]): ReturnType<typeof open> {
  let missing: unknown;
  for (const path of paths) {
    try {
      return await open(path, 'r');
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
      missing = error;
    }
  }
  throw missing;
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
