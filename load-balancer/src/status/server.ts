/** `/` page, `/status` JSON, `/metrics` Prometheus text, `/health`. Reads only. */
import fastify from 'fastify';
import type { Registry as MetricsRegistry } from 'prom-client';
import { STATUS_PAGE } from './page';
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

export async function startStatusServer({ host, port, metrics, report }: StatusOptions): Promise<StatusServer> {
  const app = fastify();
  app.get('/', async (_request, reply) => reply.type('text/html; charset=utf-8').send(STATUS_PAGE));
  app.get('/status', async () => report());
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()));
  app.get('/health', async (_request, reply) => {
    const usable = report().invokers.filter((invoker) => invoker.usable).length;
    return reply.code(usable > 0 ? 200 : 503).send({ usableInvokers: usable });
  });
  const url = await app.listen({ host, port });
  return { url, close: async () => app.close() };
}
