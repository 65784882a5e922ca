/** What pages ask for below `/tetris`: the state as it changes, overlaps, one activation's way. Reads only. */
import { EventStream, serveAssets } from '@tetris/pages';
import type { FastifyInstance } from 'fastify';
import type { Overlaps } from './overlap';
import type { StatusReport } from './report';
import type { ActivationWay } from './trail';

/** What is behind the pages. */
export interface StatusSource {
  report(): StatusReport;
  /** Nodes that activations can be sent to. */
  usableNodes(): number;
  /** @param names of actions, `namespace/name` */
  overlaps(names: readonly string[]): Overlaps;
  /** Undefined where nothing is known of it any more. */
  way(activationId: string): Promise<ActivationWay | undefined>;
}

export interface StatusRoutes {
  /** Undefined while it starts. */
  source: () => StatusSource | undefined;
  /** Between two states that a page is sent, ms. */
  intervalMs: number;
  /** Pages that may watch at once. */
  watchersMax: number;
}

/** More would be unreadable, and costs their square. */
const OVERLAPS_MAX = 64;

export function statusRoutes(server: FastifyInstance, { source, intervalMs, watchersMax }: StatusRoutes): void {
  const events = new EventStream({ read: () => source()?.report() ?? null, intervalMs, watchersMax });
  server.addHook('preClose', async () => events.close());
  serveAssets(server);
  server.get('/tetris/events', async (_request, reply) => events.watch(reply));
  server.get<{ Querystring: { name?: string | string[] } }>('/tetris/overlaps', async ({ query }, reply) => {
    const names = [query.name ?? []].flat();
    if (names.length > 0 && names.length <= OVERLAPS_MAX) return source()?.overlaps(names) ?? null;
    return reply.code(400).send({ error: `Takes 1 to ${OVERLAPS_MAX} functions as name=; got ${names.length}.` });
  });
  server.get<{ Params: { id: string } }>('/tetris/ways/:id', async ({ params }, reply) => {
    const way = await source()?.way(params.id);
    return way ?? reply.code(404).send({ error: `Nothing is known of an activation ${params.id} any more.` });
  });
}
