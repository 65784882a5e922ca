import type { EntityName } from '@tetris/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Controller } from '../controller';
import { isEntityName } from '../entities/names';
import { RestError } from '../rest-error';
import { TEXTS } from '../texts';
import type { WebRequest } from '../web/arguments';
import { splitExtension, type WebAnswer, webAnswer } from '../web/projection';
import { webHeaders } from './cors';
import { headersOf } from './headers';

interface WebRoute {
  Params: { namespace: string; package: string; action: string };
}

/** In place of a package's name, for actions in none. */
const NO_PACKAGE = 'default';

/**
 * `/api/v1/web/{namespace}/{package or default}/{name}[.extension][/path]`, open to all. Source:
 * `K/controller/WebActions.scala`.
 */
export function webRoutes(server: FastifyInstance, controller: Controller): void {
  void server.register(async (web) => {
    web.removeAllContentTypeParsers();
    web.addContentTypeParser('*', { parseAs: 'buffer' }, async (_request: FastifyRequest, body: Buffer) => body);
    for (const rest of ['', '/*']) {
      web.route<WebRoute>({
        method: ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'],
        url: `/api/v1/web/:namespace/:package/:action${rest}`,
        handler: (request, reply) => handle(controller, request, reply),
      });
    }
  });
}

async function handle(
  controller: Controller,
  request: FastifyRequest<WebRoute>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { webActions } = controller;
  const { name, extension } = splitExtension(request.params.action);
  const found = await webActions.find(nameOf(request.params, name));
  const isOptions = request.method === 'OPTIONS';
  if (!found.handlesCors) {
    void reply.headers(webHeaders([request.headers['access-control-request-headers']].flat()[0]));
    if (isOptions) return reply.status(200).send();
  }
  const caller = await controller.authenticate(request.headers.authorization);
  const web = webRequestOf(request);
  if (!isOptions && !webActions.isAuthorized(found, web, caller)) throw new RestError(401, TEXTS.unauthorized);
  const { activationId, record } = await webActions.run(found, web, caller, request.transid);
  void reply.header('x-openwhisk-activation-id', activationId);
  if (record === undefined) throw new RestError(202, TEXTS.notReady);
  return send(reply, webAnswer(record, extension));
}

function nameOf({ namespace, package: parent }: WebRoute['Params'], name: string): EntityName {
  if (![namespace, parent, name].every(isEntityName)) throw new RestError(404, TEXTS.notFound);
  return { path: parent === NO_PACKAGE ? namespace : `${namespace}/${parent}`, name };
}

function webRequestOf(request: FastifyRequest<WebRoute>): WebRequest {
  const [address = '', ...query] = request.url.split('?');
  const path = /^\/api\/v1\/web\/[^/]+\/[^/]+\/[^/]+(.*)$/.exec(address)?.[1] ?? '';
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  return { method: request.method, headers: headersOf(request), path, query: query.join('?'), body };
}

function send(reply: FastifyReply, { status, headers, contentType, body }: WebAnswer): FastifyReply {
  void reply.status(status);
  // What the action says replaces what is said for it; a name that it gives twice comes twice.
  for (const name of new Set(headers.map(([each]) => each.toLowerCase()))) {
    const values = headers.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);
    void reply.removeHeader(name).header(name, values.length === 1 ? values[0] : values);
  }
  if (contentType !== undefined) void reply.header('content-type', contentType);
  return body.length === 0 ? reply.send() : reply.send(body);
}
