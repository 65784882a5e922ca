import type { FastifyInstance } from 'fastify';
import { RestError } from '../rest-error';

/** What OpenWhisk has and standalone has not: each is answered as such, rather than as "not found". */
export function absentRoutes(api: FastifyInstance): void {
  const refuse = (what: string) => async (): Promise<never> => {
    throw new RestError(400, `standalone has no ${what}: it serves actions and activations.`);
  };
  for (const what of ['packages', 'triggers', 'rules', 'apis']) {
    api.all(`/:namespace/${what}`, refuse(what));
    api.all(`/:namespace/${what}/*`, refuse(what));
  }
  api.all('/:namespace/actions/:package/*', refuse('packages'));
}
