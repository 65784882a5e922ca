import type { FastifyInstance } from 'fastify';
import { RestError } from '../rest-error';

const METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'PATCH'] as const;
type Method = (typeof METHODS)[number];

/** Answers 405 to every method of an address but these. */
export function allowOnly(api: FastifyInstance, url: string, allowed: readonly Method[]): void {
  const text = `HTTP method not allowed, supported methods: ${allowed.join(', ')}`;
  api.route({
    method: METHODS.filter((method) => !allowed.includes(method)),
    url,
    handler: async (_request, reply) => {
      void reply.header('allow', allowed.join(', '));
      throw new RestError(405, text);
    },
  });
}
