import { chmodSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { asPluginError, type ErrorCode, type Logger, makeFolder, PluginError } from '@tetris/common';
import { fastify, type FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { unlinkIfPresent } from '../store/files';

/** Largest JSON body: a lease request with thousands of external files. */
const JSON_BYTES_MAX = 2 * 1024 * 1024;

/** Time for a request's headers to arrive. */
const HEADERS_TIMEOUT_MS = 10_000;

/** Statuses of the codes that are not simply the caller's fault. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  ERR_MODEL_NOT_FOUND: 404,
  ERR_MODEL_UNKNOWN: 404,
  ERR_INGEST_UNKNOWN: 404,
  ERR_INSTANCE_UNKNOWN: 404,
  ERR_LEASE_UNKNOWN: 404,
  ERR_MODEL_TOO_LARGE: 413,
  ERR_UPLOAD_LIMIT: 429,
  ERR_LEASE_LIMIT: 429,
  ERR_QUEUE_FULL: 429,
  ERR_STORE_FULL: 507,
  ERR_INGEST_FAILED: 500,
  ERR_MODEL_FETCH_FAILED: 500,
  ERR_INTERNAL: 500,
};

/** An HTTP server as both sockets need it: small bodies, errors as `{"error": WireError}`. */
export function createServer(connectionsMax: number, log: Logger): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: JSON_BYTES_MAX,
    http: { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: 0 },
    forceCloseConnections: true,
  });
  app.server.maxConnections = connectionsMax;
  app.setErrorHandler((error, request, reply) => {
    const plugin = requestError(error);
    if (plugin.code === 'ERR_INTERNAL') log.error({ err: error, url: request.url }, 'request failed');
    void reply.status(STATUS[plugin.code] ?? 400).send({ error: plugin.toWire() });
  });
  app.setNotFoundHandler((request, reply) => {
    const error = new PluginError('ERR_BAD_REQUEST', `there is no ${request.method} ${request.url}`);
    void reply.status(404).send({ error: error.toWire() });
  });
  return app;
}

/** What fastify itself refuses (malformed JSON, a body too large) is the caller's fault. */
function requestError(error: unknown): PluginError {
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  if (status >= 400 && status < 500) return new PluginError('ERR_BAD_REQUEST', (error as Error).message);
  return asPluginError(error);
}

/** @throws PluginError `ERR_BAD_REQUEST` that names every problem */
export function parseBody<T extends z.ZodType>(schema: T, body: unknown): z.infer<T> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`);
  throw new PluginError('ERR_BAD_REQUEST', problems.join('; '));
}

/**
 * Listens on a Unix socket, in place of the one that a killed daemon left.
 * @throws PluginError `ERR_CONFIG_INVALID` where a living process serves it
 */
export async function listenOn(app: FastifyInstance, path: string, mode: number): Promise<void> {
  // What only its owner may use lies in a folder that only its owner may enter.
  makeFolder(dirname(path), (mode & 0o077) === 0 ? 0o700 : 0o755);
  if (await answers(path)) throw new PluginError('ERR_CONFIG_INVALID', `another process serves ${path}`);
  unlinkIfPresent(path);
  await app.listen({ path });
  chmodSync(path, mode);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
