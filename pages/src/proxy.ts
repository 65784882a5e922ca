/** Passes requests on to a server behind this one, as they are: uploads and events as streams. */
import { type ClientRequest, request as ask, type RequestOptions } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** Where the server is: `http://host:port`, or the path of a Unix socket. */
export type Upstream = string;

/** Of one connection, and not of the message that goes over it; the key is for the server in front. */
const OWN_HEADERS = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'authorization',
  'te',
  'trailer',
]);

export interface ProxyOptions {
  /** Requests below it are passed on. */
  prefix: string;
  /** Where to; asked for with each request, so that what is behind may be started by the first. @throws what is told */
  upstream: () => Promise<Upstream>;
  /** What is answered where nobody answers there. */
  unavailable: string;
}

export function proxyTo(server: FastifyInstance, { prefix, upstream, unavailable }: ProxyOptions): void {
  void server.register(async (routes) => {
    // Bodies are passed on and not read.
    routes.removeAllContentTypeParsers();
    routes.addContentTypeParser('*', (_request, body, done) => done(null, body));
    for (const url of [prefix, `${prefix}/*`]) {
      routes.route({
        method: ['GET', 'POST', 'PUT', 'DELETE'],
        url,
        handler: async (request, reply) => {
          try {
            return await passOn(request, reply, optionsOf(await upstream()));
          } catch {
            return reply.code(503).send({ error: unavailable });
          }
        },
      });
    }
  });
}

const optionsOf = (upstream: Upstream): RequestOptions =>
  upstream.startsWith('/')
    ? { socketPath: upstream }
    : { host: new URL(upstream).hostname, port: new URL(upstream).port };

function passOn({ raw }: FastifyRequest, reply: FastifyReply, options: RequestOptions): Promise<FastifyReply> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', url = '/', headers } = raw;
    const passed = Object.entries(headers).filter(([name]) => !OWN_HEADERS.has(name));
    const forward: ClientRequest = ask({ ...options, method, path: url, headers: Object.fromEntries(passed) });
    // Later too, when somebody has gone: after the answer has begun there is nobody left to tell.
    forward.on('error', reject);
    forward.once('response', (answer) => {
      reply.hijack();
      const kept = Object.entries(answer.headers).filter(([name]) => !OWN_HEADERS.has(name));
      reply.raw.writeHead(answer.statusCode ?? 502, Object.fromEntries(kept) as NodeJS.Dict<string>);
      answer.pipe(reply.raw);
      answer.on('error', () => reply.raw.destroy());
      // Who watches no longer is not sent to any more.
      reply.raw.once('close', () => forward.destroy());
      resolve(reply);
    });
    raw.on('error', () => forward.destroy());
    raw.pipe(forward);
  });
}
