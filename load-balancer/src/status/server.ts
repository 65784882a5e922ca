/**
 * `/metrics` Prometheus text and `/health` for everybody; `/` the operators' page with `/tetris` below it, and `/status`
 * JSON, for who has the password. The page reads only; what it passes on to is the profiling service.
 */
import { type Access, proxyTo, requireAccess, sendPage } from '@tetris/pages';
import fastify, { type FastifyInstance } from 'fastify';
import type { Registry as MetricsRegistry } from 'prom-client';
import { type StatusSource, statusRoutes } from './routes';

export interface StatusServer {
  /** `http://127.0.0.1:8090` */
  url: string;
  close(): Promise<void>;
}

export interface StatusOptions {
  host: string;
  /** 0 takes a free port. */
  port: number;
  metrics: MetricsRegistry;
  source: StatusSource;
  /** Who may see the page; undefined: there is none. */
  access: Access | undefined;
  /** Of a profiling service; undefined: none. */
  profileUrl: string | undefined;
}

/** Between two states that a page is sent, ms. */
const EVENTS_MS = 2_000;

/** Pages that may watch at once. */
const WATCHERS_MAX = 32;

export async function startStatusServer(options: StatusOptions): Promise<StatusServer> {
  const { host, port, metrics, source } = options;
  const app = fastify({ forceCloseConnections: true });
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()));
  app.get('/health', async (_request, reply) => {
    const usableNodes = source.usableNodes();
    return reply.code(usableNodes > 0 ? 200 : 503).send({ usableNodes });
  });
  void app.register(async (pages) => pageRoutes(pages, options));
  const url = await app.listen({ host, port });
  return { url, close: async () => app.close() };
}

function pageRoutes(server: FastifyInstance, { source, access, profileUrl }: StatusOptions): void {
  if (access === undefined) return;
  server.addHook('onRequest', requireAccess(access));
  statusRoutes(server, { source: () => source, intervalMs: EVENTS_MS, watchersMax: WATCHERS_MAX });
  const settings = { profiles: profileUrl !== undefined };
  server.get('/', async (_request, reply) =>
    sendPage(reply, { title: 'Tetris operators', script: 'operators.js', settings }),
  );
  server.get('/status', async () => source.report());
  if (profileUrl === undefined) return;
  const unavailable = `The profiling service at ${profileUrl} does not answer.`;
  proxyTo(server, { prefix: '/tetris/profile', upstream: async () => profileUrl, unavailable });
}
