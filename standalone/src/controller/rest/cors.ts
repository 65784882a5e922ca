/** Who may call from a browser, and how: anybody. Source: `C/http/CorsSettings.scala`. */
import type { FastifyInstance } from 'fastify';

export const ALLOWED_HEADERS = 'Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent';

const API_HEADERS = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': ALLOWED_HEADERS,
  'access-control-allow-methods': 'GET, DELETE, POST, PUT, HEAD',
};

/** What a web action answers with where it does not do it itself. @param requested `Access-Control-Request-Headers` */
export const webHeaders = (requested: string | undefined): Record<string, string> => ({
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH',
  'access-control-allow-headers': requested ?? ALLOWED_HEADERS,
});

/** Is this the address of a web action? What is answered there is the action's own. */
export const isWeb = (url: string): boolean => url.startsWith('/api/v1/web/');

/** Every answer of the API but those of web actions says so, errors too; so does the answer to OPTIONS. */
export function apiCors(server: FastifyInstance): void {
  server.addHook('onRequest', async ({ url }, reply) => {
    if (!isWeb(url)) void reply.headers(API_HEADERS);
  });
  server.options('/*', async (_request, reply) => reply.type('text/plain; charset=UTF-8').send('OK'));
}
