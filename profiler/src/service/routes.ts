/** The profiling service over HTTP: the page, jobs as they go, models, results. */
import { cpus, totalmem } from 'node:os';
import type { Readable } from 'node:stream';
import { asPluginError, PluginError, type WireError } from '@tetris/common';
import { GRAPH_VARIANTS } from '@tetris/invoker-extension';
import { EventStream, isSameOrigin, selfContained, sendPage, serveAssets } from '@tetris/pages';
import { fastify, type FastifyInstance } from 'fastify';
import { z } from 'zod';
import { reportData } from '../report-data';
import { commandOf, type Job, JobSpecSchema } from './job';
import type { Jobs } from './jobs';
import type { ModelFiles } from './models';
import { problemsOf } from './problems';
import type { Results } from './results';

export interface ServiceParts {
  jobs: Jobs;
  models: ModelFiles;
  results: Results;
  /** Registered model folders, for the page. */
  roots: readonly string[];
  uploadBytesMax: number;
  alpha: number;
  nowMs: () => number;
}

export const SERVICE_PREFIX = '/tetris/profile';

const EVENTS_MS = 500;
const WATCHERS_MAX = 16;
/** Of JSON: results of some machines. */
const BODY_BYTES_MAX = 16 * 1024 ** 2;

const STATUS_OF: Partial<Record<WireError['code'], number>> = {
  ERR_BAD_REQUEST: 400,
  ERR_CONFIG_INVALID: 400,
  ERR_MODEL_NOT_FOUND: 404,
  ERR_DOCUMENT_NOT_FOUND: 404,
  ERR_MODEL_TOO_LARGE: 413,
  ERR_QUEUE_FULL: 429,
};

const ReportQuerySchema = z.object({
  sha256: z.string(),
  bytes: z.coerce.number(),
  slo: z.coerce.number().int().min(1).optional(),
  /** MiB */
  base: z.coerce.number().min(1).optional(),
  price: z.coerce.number().min(0).optional(),
});

export function profileServer(parts: ServiceParts): FastifyInstance {
  const server = fastify({ bodyLimit: BODY_BYTES_MAX, forceCloseConnections: true });
  server.setErrorHandler((error, _request, reply) => {
    const { statusCode } = error as { statusCode?: number };
    const { code, message } = asPluginError(error);
    return reply.code(STATUS_OF[code] ?? statusCode ?? 500).send({ error: message, code });
  });
  server.addHook('onRequest', async (request) => {
    // Who may come at all is decided by what is in front; another site's page must not start anything through a browser.
    if (request.method !== 'GET' && !isSameOrigin(request))
      throw new PluginError('ERR_BAD_REQUEST', 'This is for pages of this server.');
  });
  server.addContentTypeParser('application/octet-stream', (_request, body, done) => done(null, body));
  serveAssets(server);
  void server.register(async (routes) => serviceRoutes(routes, parts), { prefix: SERVICE_PREFIX });
  return server;
}

function serviceRoutes(server: FastifyInstance, parts: ServiceParts): void {
  const { jobs, models, roots, uploadBytesMax } = parts;
  const events = new EventStream({
    read: () => jobs.list().map(shown),
    intervalMs: EVENTS_MS,
    watchersMax: WATCHERS_MAX,
  });
  server.addHook('preClose', async () => events.close());
  const [cpu] = cpus();
  const machine = { cpu: cpu?.model ?? 'unknown', cores: cpus().length, memoryBytes: totalmem() };
  const settings = { machine, variants: GRAPH_VARIANTS, roots, uploadBytesMax };
  server.get('/', async (_request, reply) =>
    sendPage(reply, { title: 'Tetris profiles', script: 'profile.js', settings }),
  );
  server.get('/events', async (_request, reply) => events.watch(reply));
  server.get('/jobs', async () => jobs.list().map(shown));
  server.post('/jobs', async ({ body }, reply) => {
    const job = jobs.submit(parsed(JobSpecSchema, body));
    events.send();
    return reply.code(201).send(shown(job));
  });
  server.delete<{ Params: { id: string } }>('/jobs/:id', async ({ params }, reply) => {
    jobs.remove(params.id);
    events.send();
    return reply.code(204).send();
  });
  server.put('/models', async ({ body }) => models.upload(body as Readable));
  server.get('/models', async ({ query }) => {
    const { action } = parsed(z.object({ action: z.string().min(1).max(512) }), query);
    return models.namesIn(action);
  });
  resultRoutes(server, parts);
}

function resultRoutes(server: FastifyInstance, { results, alpha, nowMs }: ServiceParts): void {
  const dataOf = async (query: unknown): Promise<ReturnType<typeof reportData>> => {
    const { sha256, bytes, slo, base, price } = parsed(ReportQuerySchema, query);
    return reportData(await results.of(sha256, bytes), {
      alpha,
      ...(slo !== undefined && { sloMs: slo }),
      ...(base !== undefined && { baseBytes: base * 1024 ** 2 }),
      ...(price !== undefined && { pricePerGbSecond: price }),
    });
  };
  server.get('/results', async () => results.models());
  server.post('/results', async ({ body }) => {
    const profiles = await results.import(body, nowMs());
    return profiles.map(({ sha256, bytes, name, machine, entries }) => ({
      sha256,
      bytes,
      name,
      machine,
      rows: entries.length,
    }));
  });
  server.get('/report', async ({ query }) => dataOf(query));
  server.get('/report.json', async ({ query }, reply) => {
    const { sha256, bytes } = parsed(ReportQuerySchema, query);
    void reply.header('content-disposition', `attachment; filename="profile-${sha256.slice(0, 12)}.json"`);
    return results.export(await results.of(sha256, bytes));
  });
  server.get('/report.html', async ({ query }, reply) => {
    const report = await dataOf(query);
    const html = selfContained({
      title: `Profile of ${report.model.name}`,
      script: 'profile-file.js',
      settings: { report },
    });
    void reply.header('content-disposition', `attachment; filename="profile-${report.model.sha256.slice(0, 12)}.html"`);
    return reply.type('text/html; charset=utf-8').send(html);
  });
}

/** A job with the command that asks for the same. */
const shown = (job: Job): Job & { command: string } => ({
  ...job,
  command: commandOf(job.spec, job.model?.name ?? nameOf(job.spec.model)),
});

const nameOf = (model: Job['spec']['model']): string =>
  model.kind === 'upload' ? model.name : model.kind === 'path' ? model.path : `${model.action}.onnx`;

function parsed<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  throw new PluginError('ERR_BAD_REQUEST', problemsOf(result.error, 'the body'));
}
