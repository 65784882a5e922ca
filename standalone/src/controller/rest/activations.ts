import { type Activation, ActivationIdSchema } from '@tetris/common';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { requireOwner } from '../access';
import type { Controller } from '../controller';
import { isEntityPath } from '../entities/names';
import { activationSummary, extendedResponse, fullActivation } from '../presentation';
import { RestError } from '../rest-error';
import { allowOnly } from './methods';
import { namespaceOf } from './names';
import { flagOf, integerOf, listOrCount, type Query } from './query';

interface ActivationRoute {
  Params: { namespace: string; id: string };
  Querystring: Query;
}

const COLLECTION = '/:namespace/activations';
const ENTITY = `${COLLECTION}/:id`;

/** `/namespaces/{ns}/activations`. Source: `K/controller/Activations.scala`. */
export function activationRoutes(api: FastifyInstance, { store }: Controller): void {
  const find = (request: FastifyRequest<ActivationRoute>): Promise<Activation> => {
    const { id } = request.params;
    if (!ActivationIdSchema.safeParse(id).success) throw new RestError(400, badId(id));
    return store.getActivation(`${ownNamespace(request, id)}/${id}`);
  };

  for (const url of [COLLECTION, `${COLLECTION}/`]) {
    api.get<ActivationRoute>(url, async (request) => {
      const { query } = request;
      const namespace = ownNamespace(request);
      const filter = filterOf(query);
      const isWhole = flagOf(query, 'docs', false);
      if (isWhole && flagOf(query, 'count', false)) {
        throw new RestError(400, "The parameter 'docs' is not permitted with 'count'.");
      }
      return listOrCount(query, 'activations', {
        list: async (page) =>
          (await store.listActivations(namespace, { ...filter, ...page })).map(
            isWhole ? fullActivation : activationSummary,
          ),
        count: () => store.countActivations(namespace, filter),
      });
    });
    allowOnly(api, url, ['GET']);
  }
  api.get<ActivationRoute>(ENTITY, async (request) => fullActivation(await find(request)));
  api.get<ActivationRoute>(`${ENTITY}/result`, async (request) => extendedResponse(await find(request)));
  api.get<ActivationRoute>(`${ENTITY}/logs`, async (request) => ({ logs: (await find(request)).logs }));
  allowOnly(api, ENTITY, ['GET']);
}

function ownNamespace({ params, user }: FastifyRequest<ActivationRoute>, id?: string): string {
  const namespace = namespaceOf(params.namespace, user);
  requireOwner(user, namespace, id === undefined ? namespace : `${namespace}/${id}`);
  return namespace;
}

const badId = (id: string): string =>
  id.length === 32 ? 'The activation id is not valid.' : `Activation id length is ${id.length} but must be 32.`;

function filterOf(query: Query): { name?: string; since?: number; upto?: number } {
  const since = integerOf(query, 'since', { min: 0 });
  const upto = integerOf(query, 'upto', { min: 0 });
  const name = query['name']?.trim() ?? '';
  if (name !== '' && (!isEntityPath(name) || name.split('/').length > 2)) {
    const text = `Parameter may be a 'simple' name or 'package-name/simple' name: ${name}`;
    throw new RestError(400, `The query parameter 'name' was malformed:\n${text}`);
  }
  return {
    ...(name === '' ? {} : { name }),
    ...(since === undefined ? {} : { since }),
    ...(upto === undefined ? {} : { upto }),
  };
}
