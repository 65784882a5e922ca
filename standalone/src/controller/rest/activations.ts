import { type Activation, ActivationIdSchema } from '@tetris/common';
import type { FastifyInstance } from 'fastify';
import type { Controller } from '../controller';
import { activationSummary, extendedResponse, fullActivation } from '../presentation';
import { RestError } from '../rest-error';
import { entityName, flagOf, integerOf, pageOf, type Query } from './query';

interface ActivationRoute {
  Params: { id: string };
}

/** `/namespaces/{ns}/activations`. Source: `K/controller/Activations.scala`. */
export function activationRoutes(api: FastifyInstance, { store }: Controller): void {
  const find = (namespace: string, id: string): Promise<Activation> => {
    if (!ActivationIdSchema.safeParse(id).success) {
      throw new RestError(400, `'${id}' is not an activation id: expected 32 lowercase hexadecimal digits.`);
    }
    return store.getActivation(`${namespace}/${id}`);
  };

  api.get<{ Querystring: Query }>('/:namespace/activations', async ({ query, user }) => {
    const namespace = user.namespace.name;
    const filter = filterOf(query);
    if (flagOf(query, 'count', false)) return { activations: await store.countActivations(namespace, filter) };
    const show = flagOf(query, 'docs', false) ? fullActivation : activationSummary;
    return (await store.listActivations(namespace, { ...filter, ...pageOf(query) })).map(show);
  });

  api.get<ActivationRoute>('/:namespace/activations/:id', async ({ params, user }) =>
    fullActivation(await find(user.namespace.name, params.id)),
  );
  api.get<ActivationRoute>('/:namespace/activations/:id/result', async ({ params, user }) =>
    extendedResponse(await find(user.namespace.name, params.id)),
  );
  api.get<ActivationRoute>('/:namespace/activations/:id/logs', async ({ params, user }) => {
    const { logs } = await find(user.namespace.name, params.id);
    return { logs };
  });
}

function filterOf(query: Query): { name?: string; since?: number; upto?: number } {
  const since = integerOf(query, 'since', { min: 0 });
  const upto = integerOf(query, 'upto', { min: 0 });
  return {
    ...(query['name'] === undefined ? {} : { name: query['name'].split('/').map(entityName).join('/') }),
    ...(since === undefined ? {} : { since }),
    ...(upto === undefined ? {} : { upto }),
  };
}
