/** `/` page, `/status` JSON, `/events` the same as it changes, `/metrics` Prometheus text, `/health`. Reads only. */
import { EventStream, sendPage, serveAssets } from '@tetris/pages';
import fastify from 'fastify';
import type { Registry as MetricsRegistry } from 'prom-client';
import type { StatusReport } from './report';

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
  report: () => StatusReport;
}

/** Between two states that a page is sent, ms. */
const EVENTS_MS = 2_000;

/** Pages that may watch at once. */
const WATCHERS_MAX = 32;

export async function startStatusServer({ host, port, metrics, report }: StatusOptions): Promise<StatusServer> {
  const app = fastify({ forceCloseConnections: true });
  const events = new EventStream({ read: report, intervalMs: EVENTS_MS, watchersMax: WATCHERS_MAX });
  serveAssets(app);
  app.get('/', async (_request, reply) =>
    sendPage(reply, { title: 'Tetris operators', script: 'operators.js', settings: {} }),
  );
  app.get('/status', async () => report());
  app.get('/events', async (_request, reply) => events.watch(reply));
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()));
  app.get('/health', async (_request, reply) => {
    const usable = report().nodes.filter((node) => node.usable).length;
    return reply.code(usable > 0 ? 200 : 503).send({ usableNodes: usable });
  });
  const url = await app.listen({ host, port });
  return { url, close: async () => app.close() };
}
