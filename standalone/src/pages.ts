/** The playground, on the address of the REST API: a page where actions are made, invoked and watched. */
import type { DaemonOperator, ModelRow } from '@tetris/common';
import { type StatusSource, statusRoutes } from '@tetris/load-balancer';
import { isLocalHost, proxyTo, sendPage, wantsPage } from '@tetris/pages';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { StandaloneConfig } from './config';
import { RestError } from './controller/rest-error';
import { mayRead } from './metrics';

export interface PlaygroundOptions {
  readers: StandaloneConfig['pages'];
  /** Undefined while the platform starts. */
  source: () => StatusSource | undefined;
  /** The tensor daemons. */
  daemons: () => readonly Pick<DaemonOperator, 'models'>[];
  /** Where the profiling service listens, which this starts where it does not run. */
  profiles: () => Promise<string>;
  /** What an activation was invoked with; undefined where it is long ago. */
  inputOf: (activationId: string) => unknown;
  /** The guest's key, which is public: the page invokes with it. */
  auth: string;
}

/** Between two states that a page is sent, ms. */
const EVENTS_MS = 500;

/** Pages that may watch at once. */
const WATCHERS_MAX = 16;

/** Serves `/` to browsers, which the API's clients go on getting as JSON, and what the page asks for below `/tetris`. */
export function servePlayground(server: FastifyInstance, options: PlaygroundOptions): void {
  const { readers, source, daemons, profiles, inputOf, auth } = options;
  if (readers === 'off') return;
  const playground = (reply: FastifyReply): FastifyReply =>
    sendPage(reply, { title: 'Tetris playground', script: 'playground.js', settings: { auth } });
  server.addHook('onRequest', async (request, reply) => {
    const { pathname } = new URL(request.url, 'http://page');
    const isRoot = pathname === '/' && request.method === 'GET' && wantsPage(request);
    if (!isRoot && !pathname.startsWith('/tetris/')) return;
    checkReader(request, readers);
    // Other than the API, pages are nothing for those of other sites.
    reply.removeHeader('access-control-allow-origin');
    if (isRoot) playground(reply);
  });
  statusRoutes(server, { source, intervalMs: EVENTS_MS, watchersMax: WATCHERS_MAX });
  server.get<{ Params: { id: string } }>('/tetris/inputs/:id', async ({ params }) => ({
    input: inputOf(params.id) ?? null,
  }));
  proxyTo(server, {
    prefix: '/tetris/profile',
    upstream: profiles,
    unavailable: 'The profiling service does not answer.',
  });
  server.get('/tetris/models', async () => modelsOf(daemons()));
}

/** With `loopback` a name that points here from outside is no way in either. */
function checkReader(request: FastifyRequest, readers: StandaloneConfig['pages']): void {
  if (mayRead(readers, request.ip) && (readers === 'anyone' || isLocalHost(request))) return;
  throw new RestError(403, 'Pages are for this machine only; see TETRIS_STANDALONE_PAGES.');
}

/** The models in the stores, those of daemons that are away left out. */
async function modelsOf(daemons: ReturnType<PlaygroundOptions['daemons']>): Promise<ModelRow[]> {
  return (await Promise.all(daemons.map((daemon) => daemon.models().catch(() => [])))).flat();
}
