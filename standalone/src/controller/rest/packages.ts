import type { FastifyInstance } from 'fastify';
import type { Controller } from '../controller';
import { shown } from '../presentation';
import { allowOnly } from './methods';
import { type NamedParams, namespaceOf, targetOf } from './names';
import { flagOf, listOrCount, type Query } from './query';

interface PackageRoute {
  Params: NamedParams;
  Querystring: Query;
}

const COLLECTION = '/:namespace/packages';
const ENTITY = `${COLLECTION}/:name`;

/** `/namespaces/{ns}/packages`. Source: `K/controller/Packages.scala`. */
export function packageRoutes(api: FastifyInstance, { packages }: Controller): void {
  for (const url of [COLLECTION, `${COLLECTION}/`]) {
    api.get<PackageRoute>(url, async ({ params, query, user }) => {
      const namespace = namespaceOf(params.namespace, user);
      return listOrCount(query, 'packages', {
        list: (page) => packages.list(user, namespace, page),
        count: () => packages.count(user, namespace),
      });
    });
    allowOnly(api, url, ['GET']);
  }
  api.get<PackageRoute>(ENTITY, async ({ params, user }) => packages.get(user, targetOf(params, user)));
  api.put<PackageRoute>(ENTITY, async ({ params, query, user, body }) =>
    shown(await packages.put(user, targetOf(params, user), body, flagOf(query, 'overwrite', false))),
  );
  api.delete<PackageRoute>(ENTITY, async ({ params, query, user }) =>
    shown(await packages.delete(user, targetOf(params, user), flagOf(query, 'force', false))),
  );
  allowOnly(api, ENTITY, ['GET', 'PUT', 'DELETE']);
}
