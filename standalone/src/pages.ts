/** The playground, on the address of the REST API: a page where actions are made, invoked and watched. */
import type { StatusReport } from '@tetris/load-balancer';
import { EventStream, isLocalHost, sendPage, serveAssets, wantsPage } from '@tetris/pages';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { StandaloneConfig } from './config';
import { RestError } from './controller/rest-error';
import { mayRead } from './metrics';

export interface PlaygroundOptions {
  readers: StandaloneConfig['pages'];
  /** Undefined while the platform starts. */
  report: () => StatusReport | undefined;
  /** The guest's key, which is public: the page invokes with it. */
  auth: string;
}

/** Between two states that a page is sent, ms. */
const EVENTS_MS = 500;

/** Pages that may watch at once. */
const WATCHERS_MAX = 16;

/** Serves `/` to browsers, which the API's clients go on getting as JSON, and what the page asks for below `/tetris`. */
export function servePlayground(server: FastifyInstance, { readers, report, auth }: PlaygroundOptions): void {
  if (readers === 'off') return;
  const events = new EventStream({ read: () => report() ?? null, intervalMs: EVENTS_MS, watchersMax: WATCHERS_MAX });
  const playground = (reply: FastifyReply): FastifyReply =>
    sendPage(reply, { title: 'Tetris playground', script: 'playground.js', settings: { auth } });
  server.addHook('preClose', async () => events.close());
  server.addHook('onRequest', async (request, reply) => {
    const { pathname } = new URL(request.url, 'http://page');
    const isRoot = pathname === '/' && request.method === 'GET' && wantsPage(request);
    if (!isRoot && !pathname.startsWith('/tetris/')) return;
    checkReader(request, readers);
    // Other than the API, pages are nothing for those of other sites.
    reply.removeHeader('access-control-allow-origin');
    if (isRoot) playground(reply);
  });
  serveAssets(server);
  server.get('/tetris/events', async (_request, reply) => events.watch(reply));
}

/** With `loopback` a name that points here from outside is no way in either. */
function checkReader(request: FastifyRequest, readers: StandaloneConfig['pages']): void {
  if (mayRead(readers, request.ip) && (readers === 'anyone' || isLocalHost(request))) return;
  throw new RestError(403, 'Pages are for this machine only; see TETRIS_STANDALONE_PAGES.');
}
