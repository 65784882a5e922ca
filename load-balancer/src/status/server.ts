/**
 * `/` the operators' page, `/tetris` what it asks for, `/status` JSON, `/metrics` Prometheus text, `/health`. Reads only.
 */
import { sendPage } from '@tetris/pages';
import fastify from 'fastify';
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
}

/** Between two states that a page is sent, ms. */
const EVENTS_MS = 2_000;

/** Pages that may watch at once. */
const WATCHERS_MAX = 32;

export async function startStatusServer({ host, port, metrics, source }: StatusOptions): Promise<StatusServer> {
  const app = fastify({ forceCloseConnections: true });
  statusRoutes(app, { source: () => source, intervalMs: EVENTS_MS, watchersMax: WATCHERS_MAX });
  app.get('/', async (_request, reply) =>
    sendPage(reply, { title: 'Tetris operators', script: 'operators.js', settings: {} }),
  );
  app.get('/status', async () => source.report());
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()));
  app.get('/health', async (_request, reply) => {
    const usable = source.report().nodes.filter((node) => node.usable).length;
    return reply.code(usable > 0 ? 200 : 503).send({ usableNodes: usable });
  });
  const url = await app.listen({ host, port });
  return { url, close: async () => app.close() };
}
