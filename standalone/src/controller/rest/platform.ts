import type { FastifyInstance } from 'fastify';
import type { Controller } from '../controller';
import { describeLimits } from '../limits';
import { describeRuntimes } from '../manifest';

/** What needs no key: `/`, `/ping`, `/api/v1`, and the operators' view of the invokers. */
export function platformRoutes(server: FastifyInstance, { balancer, limits }: Controller): void {
  server.get('/', async () => ({
    description: 'Tetris for OpenWhisk, standalone',
    support: {},
    api_paths: ['/api/v1'],
    limits: describeLimits(limits),
    runtimes: describeRuntimes(),
  }));
  server.get('/ping', async (_request, reply) => reply.type('text/plain').send('pong'));
  server.get('/api/v1', async () => ({
    description: 'OpenWhisk API',
    api_version: '1.0.0',
    api_version_path: 'v1',
    build: 'tetris-standalone',
    buildno: '0.1.0',
    swagger_paths: {},
  }));

  const healthy = (): number => balancer.states().filter((state) => state === 'healthy').length;
  server.get('/invokers', async () => balancer.invokers());
  server.get('/invokers/healthy/count', async () => healthy());
  server.get('/invokers/ready', async (_request, reply) => {
    const total = balancer.states().length;
    const ready = total > 0 && healthy() === total;
    return reply.status(ready ? 200 : 500).send({ healthy: `${healthy()}/${total}` });
  });
  server.get('/activation/count', async () => balancer.books().inFlight);
}
