import { type Identity, type Logger, newTransactionId, type TransactionId, transactionIdOf } from '@tetris/common';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Controller } from '../controller';
import { LARGE_MODELS } from '../entities/put';
import { asRestError, malformed, RestError } from '../rest-error';
import { TEXTS } from '../texts';
import { actionRoutes } from './actions';
import { activationRoutes } from './activations';
import { apiCors, isWeb } from './cors';
import { namespaceRoutes } from './namespaces';
import { packageRoutes } from './packages';
import { platformRoutes } from './platform';
import { ruleRoutes } from './rules';
import { triggerRoutes } from './triggers';
import { webRoutes } from './web';

/** Largest body of a request; code has a bound of its own below it. */
const BODY_BYTES_MAX = 50 * 1024 ** 2;
/** `wskdeploy` reads the kinds only from an answer of the very type that OpenWhisk gives. */
const JSON_TYPE = 'application/json';
const FASTIFY_JSON = 'application/json; charset=utf-8';
const REQUEST_ID = /^[\w.-]{1,128}$/;

declare module 'fastify' {
  interface FastifyRequest {
    transid: TransactionId;
    /** Set on every route below `/api/v1/namespaces`. */
    user: Identity;
  }
}

export interface RestOptions {
  controller: Controller;
  log: Logger;
  now: () => number;
}

/** OpenWhisk's REST API. Source: `K/controller/RestAPIs.scala`, `C/http/{ErrorResponse,BasicHttpService}.scala`. */
export function restServer({ controller, log, now }: RestOptions): FastifyInstance {
  const server = fastify({ bodyLimit: BODY_BYTES_MAX, logger: false, forceCloseConnections: true });
  server.decorateRequest('transid', null as unknown as TransactionId);
  server.decorateRequest('user', null as unknown as Identity);
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'buffer' }, async (_request: FastifyRequest, body: Buffer) =>
    parsedBody(body),
  );
  server.addHook('onRequest', async (request, reply) => {
    request.transid = transidOf(request, now());
    void reply.header('X-Request-ID', transactionIdOf(request.transid));
  });
  server.addHook('onSend', async ({ url }, reply) => {
    if (!isWeb(url) && reply.getHeader('content-type') === FASTIFY_JSON) void reply.header('content-type', JSON_TYPE);
  });
  server.setNotFoundHandler((request, reply) => sendError(request, reply, new RestError(404, TEXTS.notFound)));
  server.setErrorHandler((error: FastifyError, request, reply) => {
    const answer = error.statusCode === 413 ? new RestError(413, bodyTooLarge(request)) : asRestError(error);
    if (answer.status >= 500) log.error({ err: error, transid: request.transid, url: request.url }, 'request failed');
    return sendError(request, reply, answer);
  });

  apiCors(server);
  platformRoutes(server, controller);
  webRoutes(server, controller);
  void server.register(
    async (api) => {
      api.addHook('onRequest', async (request) => {
        const user = await controller.authenticate(request.headers.authorization);
        if (user === undefined) throw new RestError(401, 'The supplied authentication is invalid.');
        request.user = user;
      });
      namespaceRoutes(api, controller);
      actionRoutes(api, controller);
      packageRoutes(api, controller);
      triggerRoutes(api, controller);
      ruleRoutes(api, controller);
      activationRoutes(api, controller);
    },
    { prefix: '/api/v1/namespaces' },
  );
  return server;
}

function sendError(request: FastifyRequest, reply: FastifyReply, error: RestError): FastifyReply {
  return reply.status(error.status).send({ error: error.message, code: transactionIdOf(request.transid) });
}

function parsedBody(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw malformed((error as Error).message);
  }
}

function bodyTooLarge({ method, url, headers }: FastifyRequest): string {
  const text = `Request larger than allowed: ${headers['content-length'] ?? 'unknown'} > ${BODY_BYTES_MAX} bytes.`;
  return method === 'PUT' && url.includes('/actions/') ? `${text} ${LARGE_MODELS}` : text;
}

function transidOf({ headers }: FastifyRequest, nowMs: number): TransactionId {
  const given = headers['x-request-id'];
  const [fresh] = newTransactionId(nowMs);
  const id = typeof given === 'string' && REQUEST_ID.test(given) ? given : fresh;
  return headers['x-ow-extra-logging'] === 'on' ? [id, nowMs, true] : [id, nowMs];
}
