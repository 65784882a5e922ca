import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import {
  asPluginError,
  type DaemonHealth,
  INSTANCE_HEADER,
  InstanceTokenSchema,
  type LeaseEvent,
  LeaseRequestSchema,
  PluginError,
  SHARING_FAILURES,
  type Tracer,
} from '@tetris/common';
import { TRACE_HEADER } from '@tetris/common/environment';
import { UNSHAREABLE_REASONS } from '@tetris/onnx-format';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import type { LeaseService } from '../lease/lease-service';
import type { DaemonMetrics } from '../metrics';
import type { Uploads } from '../source/uploads';
import { parseBody } from './http';
import { leaseTold } from './lease-span';
import type { PendingConnections } from './pending-connections';

const UploadHeaders = z.object({ instance: InstanceTokenSchema.optional() });

const LEASES = '/v1/leases';

/** Least time between two progress lines of a lease. */
const PROGRESS_INTERVAL_MS = 100;

/** Most: whoever waits knows by them that the daemon lives. */
const SILENCE_MS = 1_000;

const PrivateLoadSchema = z.object({ reason: z.enum([...SHARING_FAILURES, ...UNSHAREABLE_REASONS]) });

export interface UploadTimes {
  /** Silence after which an upload fails. */
  uploadIdleMs: number;
  /** Longest upload. */
  uploadTimeoutMs: number;
}

export interface InstanceParts {
  leases: LeaseService;
  uploads: Uploads;
  metrics: Pick<DaemonMetrics, 'privateLoads'>;
  tracer: Pick<Tracer, 'record'>;
  pending: PendingConnections;
}

/** What instances may ask. */
export function addInstanceApi(
  app: FastifyInstance,
  { leases, uploads, metrics, tracer, pending }: InstanceParts,
  times: UploadTimes,
): void {
  pending.watch(app.server);
  app.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload));

  refuseBehindLeases(app);

  app.post(LEASES, async (request, reply) => {
    const spec = parseBody(LeaseRequestSchema, request.body);
    const { socket } = request.raw;
    pending.settle(socket);
    reply.raw.once('close', () => pending.suspend(socket));
    reply.hijack();
    const stream = new LeaseStream(reply, socket);
    const told = leaseTold(tracer, request.headers[TRACE_HEADER], Date.now());
    try {
      const grant = await leases.lease(spec, stream);
      told({ 'tetris.lease.warm': grant.warm, 'tetris.lease.tensors': grant.tensors });
      stream.send({ event: 'leased', ...grant });
    } catch (error) {
      told({}, asPluginError(error).code);
      stream.send({ event: 'failed', error: asPluginError(error).toWire() });
      stream.ended();
    }
  });

  app.put('/v1/uploads', async (request) => {
    const { instance } = parseBody(UploadHeaders, { instance: request.headers[INSTANCE_HEADER] });
    const { body, raw } = request;
    if (!(body instanceof Readable)) throw new PluginError('ERR_BAD_REQUEST', 'an upload is application/octet-stream');
    pending.settle(raw.socket);
    const timer = setTimeout(() => raw.socket.destroy(), times.uploadTimeoutMs);
    raw.socket.setTimeout(times.uploadIdleMs, () => raw.socket.destroy());
    try {
      return await uploads.receive(body, leases.tenant(instance));
    } finally {
      clearTimeout(timer);
      raw.socket.setTimeout(0);
      pending.suspend(raw.socket);
    }
  });

  app.post('/v1/private-loads', async (request, reply) => {
    metrics.privateLoads.inc(parseBody(PrivateLoadSchema, request.body));
    return reply.status(204).send();
  });
}

/**
 * Ends a connection that asks for more while it has a lease. There could be no answer; and one on which requests pile
 * up is not read any more, so that its end would go unnoticed and its lease would stay.
 */
function refuseBehindLeases(app: FastifyInstance): void {
  const leasing = new WeakSet<Socket>();
  app.addHook('onRequest', (request, reply, done) => {
    const { socket } = request.raw;
    if (leasing.has(socket)) {
      reply.hijack();
      socket.destroy();
      return;
    }
    if (request.routeOptions.url === LEASES) {
      leasing.add(socket);
      reply.raw.once('close', () => leasing.delete(socket));
    }
    done();
  });
}

export function addHealth(app: FastifyInstance, health: () => DaemonHealth): void {
  app.get('/v1/health', async () => health());
}

/** A response that stays open: lines of JSON, whose end is the lease's end. */
class LeaseStream {
  readonly #reply: FastifyReply['raw'];
  readonly #abort = new AbortController();
  #progressMs = 0;
  #last: Extract<LeaseEvent, { event: 'progress' }> = { event: 'progress', phase: 'fetch', done: 0, total: 0 };
  readonly #heartbeat = setInterval(() => this.send(this.#last), SILENCE_MS);

  constructor({ raw }: FastifyReply, socket: Socket) {
    this.#reply = raw;
    this.signal.addEventListener('abort', () => clearInterval(this.#heartbeat));
    raw.on('close', () => this.#abort.abort());
    raw.on('error', () => this.#abort.abort());
    // A response that waits behind another on its connection is not told of that connection's end.
    socket.once('close', () => this.#abort.abort());
    // Gone before we came to it: its close has been told already.
    if (raw.destroyed || socket.destroyed) this.#abort.abort();
    raw.writeHead(200, { 'content-type': 'application/x-ndjson' });
    raw.flushHeaders();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  send(event: LeaseEvent): void {
    if (event.event !== 'progress') clearInterval(this.#heartbeat);
    if (!this.#reply.writableEnded) this.#reply.write(`${JSON.stringify(event)}\n`);
  }

  progress(phase: Extract<LeaseEvent, { event: 'progress' }>['phase'], done: number, total: number): void {
    const now = performance.now();
    if (done < total && done > 0 && now - this.#progressMs < PROGRESS_INTERVAL_MS) return;
    this.#progressMs = now;
    this.#last = { event: 'progress', phase, done, total };
    this.send(this.#last);
  }

  ended(): void {
    this.#reply.end();
  }
}
