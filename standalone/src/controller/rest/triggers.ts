import type { FastifyInstance } from 'fastify';
import { requireOwner } from '../access';
import type { Controller } from '../controller';
import { triggerSummary } from '../entities/triggers';
import { shown } from '../presentation';
import { headersOf } from './headers';
import { allowOnly } from './methods';
import { type NamedParams, namespaceOf, targetOf } from './names';
import { flagOf, listOrCount, type Query } from './query';

interface TriggerRoute {
  Params: NamedParams;
  Querystring: Query;
}

const COLLECTION = '/:namespace/triggers';
const ENTITY = `${COLLECTION}/:name`;

/** `/namespaces/{ns}/triggers`. Source: `K/controller/Triggers.scala`. */
export function triggerRoutes(api: FastifyInstance, { triggers, store }: Controller): void {
  for (const url of [COLLECTION, `${COLLECTION}/`]) {
    api.get<TriggerRoute>(url, async ({ params, query, user }) => {
      const namespace = namespaceOf(params.namespace, user);
      requireOwner(user, namespace);
      return listOrCount(query, 'triggers', {
        list: async (page) => (await store.listEntities('trigger', namespace, page)).map(triggerSummary),
        count: () => store.countEntities('trigger', namespace),
      });
    });
    allowOnly(api, url, ['GET']);
  }
  api.get<TriggerRoute>(ENTITY, async ({ params, user }) => shown(await triggers.get(user, targetOf(params, user))));
  api.put<TriggerRoute>(ENTITY, async ({ params, query, user, body }) =>
    shown(await triggers.put(user, targetOf(params, user), body, flagOf(query, 'overwrite', false))),
  );
  api.delete<TriggerRoute>(ENTITY, async ({ params, user }) =>
    shown(await triggers.delete(user, targetOf(params, user))),
  );
  api.post<TriggerRoute>(ENTITY, async (request, reply) => {
    const { params, user, body } = request;
    const activationId = await triggers.fire(request, targetOf(params, user), body, headersOf(request));
    if (activationId === undefined) return reply.status(204).send();
    return reply.status(202).header('x-openwhisk-activation-id', activationId).send({ activationId });
  });
  allowOnly(api, ENTITY, ['GET', 'PUT', 'POST', 'DELETE']);
}
