/** The invoker's HTTP server. Source: facts of OpenWhisk 4.8. */
import { timingSafeEqual } from 'node:crypto';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { InvokerExtension } from './invoker-extension';

export interface ServerOptions {
  invoker: Pick<InvokerExtension, 'enabled' | 'setEnabled' | 'metrics' | 'nodeMetrics'>;
  /** Basic auth of what changes the invoker; without a user that is not served. */
  user: string;
  password: string;
}

/** `/ping` and `/metrics` for everybody; `/enable`, `/disable` and `/isEnabled` with basic auth. The caller listens. */
export function invokerServer({ invoker, user, password }: ServerOptions): FastifyInstance {
  const server = fastify();
  server.get('/ping', () => 'pong');
  server.get('/metrics', async (_request, reply) => {
    void reply.type(invoker.metrics.contentType);
    return invoker.nodeMetrics();
  });
  if (user === '') return server;
  const expected = Buffer.from(`Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`);
  const preHandler = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const given = Buffer.from(request.headers.authorization ?? '');
    if (given.length === expected.length && timingSafeEqual(given, expected)) return;
    await reply.code(401).send({ error: 'The supplied authentication is invalid.' });
  };
  server.get('/isEnabled', { preHandler }, () => ({ enabled: invoker.enabled }));
  server.post('/enable', { preHandler }, async () => {
    await invoker.setEnabled(true);
    return 'invoker enabled';
  });
  server.post('/disable', { preHandler }, async () => {
    await invoker.setEnabled(false);
    return 'invoker disabled';
  });
  return server;
}
