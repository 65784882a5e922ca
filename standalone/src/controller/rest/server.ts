import { type Identity, type Logger, newTransactionId, type TransactionId, transactionIdOf } from '@tetris/common';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Controller } from '../controller';
import type { Identities } from '../identities';
import { asRestError, RestError } from '../rest-error';
import { actionRoutes } from './actions';
import { activationRoutes } from './activations';
import { limitRoutes, platformRoutes } from './platform';
import { absentRoutes } from './absent';

/** Largest body of a request; code has a bound of its own below it. */
const BODY_BYTES_MAX = 50 * 1024 ** 2;
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
  identities: Identities;
  log: Logger;
  now: () => number;
}

/** OpenWhisk's REST API. Source: `K/controller/RestAPIs.scala`, `C/http/{ErrorResponse,BasicHttpService}.scala`. */
export function restServer({ controller, identities, log, now }: RestOptions): FastifyInstance {
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
  server.setNotFoundHandler((request, reply) =>
    sendError(request, reply, new RestError(404, 'The requested resource does not exist.')),
  );
  server.setErrorHandler((error: FastifyError, request, reply) => {
    const answer = error.statusCode === 413 ? new RestError(413, bodyTooLarge(request)) : asRestError(error);
    if (answer.status >= 500) log.error({ err: error, transid: request.transid, url: request.url }, 'request failed');
    return sendError(request, reply, answer);
  });

  platformRoutes(server, controller);
  void server.register(
    async (api) => {
      api.addHook('onRequest', async (request) => {
        const subject = identities.authenticate(request.headers.authorization);
        if (subject === undefined) throw new RestError(401, 'The supplied authentication is invalid.');
        request.user = await controller.identity(subject);
        checkNamespace(request);
      });
      api.get('/', async (request) => [request.user.namespace.name]);
      limitRoutes(api, controller);
      actionRoutes(api, controller);
      activationRoutes(api, controller);
      absentRoutes(api);
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
    throw new RestError(400, `The request content was malformed: ${(error as Error).message}`);
  }
}

const bodyTooLarge = (request: FastifyRequest): string =>
  `Request larger than allowed: ${request.headers['content-length'] ?? 'unknown'} > ${BODY_BYTES_MAX} bytes.`;

function transidOf({ headers }: FastifyRequest, nowMs: number): TransactionId {
  const given = headers['x-request-id'];
  const [fresh] = newTransactionId(nowMs);
  const id = typeof given === 'string' && REQUEST_ID.test(given) ? given : fresh;
  return headers['x-ow-extra-logging'] === 'on' ? [id, nowMs, true] : [id, nowMs];
}

/** `_` is one's own namespace; there are no entitlements to others. */
function checkNamespace({ params, user }: FastifyRequest): void {
  const { namespace } = params as { namespace?: string };
  if (namespace === undefined || namespace === '_' || namespace === user.namespace.name) return;
  throw new RestError(403, `The supplied authentication is not authorized to access '${namespace}'.`);
}
