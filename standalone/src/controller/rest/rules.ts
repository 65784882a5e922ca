import type { FastifyInstance } from 'fastify';
import { requireOwner } from '../access';
import type { Controller } from '../controller';
import { shownRule } from '../entities/rules';
import type { RuleWithStatus } from '../resources/rules';
import { allowOnly } from './methods';
import { type NamedParams, namespaceOf, targetOf } from './names';
import { flagOf, listOrCount, type Query } from './query';

interface RuleRoute {
  Params: NamedParams;
  Querystring: Query;
}

const COLLECTION = '/:namespace/rules';
const ENTITY = `${COLLECTION}/:name`;
const full = ({ rule, status }: RuleWithStatus): object => shownRule(rule, status);

/** `/namespaces/{ns}/rules`. Source: `K/controller/Rules.scala`. */
export function ruleRoutes(api: FastifyInstance, { rules, store }: Controller): void {
  for (const url of [COLLECTION, `${COLLECTION}/`]) {
    api.get<RuleRoute>(url, async ({ params, query, user }) => {
      const namespace = namespaceOf(params.namespace, user);
      requireOwner(user, namespace);
      return listOrCount(query, 'rules', {
        list: async (page) => (await store.listEntities('rule', namespace, page)).map((rule) => shownRule(rule)),
        count: () => store.countEntities('rule', namespace),
      });
    });
    allowOnly(api, url, ['GET']);
  }
  api.get<RuleRoute>(ENTITY, async ({ params, user }) => full(await rules.get(user, targetOf(params, user))));
  api.put<RuleRoute>(ENTITY, async ({ params, query, user, body }) =>
    full(await rules.put(user, targetOf(params, user), body, flagOf(query, 'overwrite', false))),
  );
  api.delete<RuleRoute>(ENTITY, async ({ params, user }) => full(await rules.delete(user, targetOf(params, user))));
  api.post<RuleRoute>(ENTITY, async ({ params, user, body }, reply) => {
    await rules.setStatus(user, targetOf(params, user), body);
    return reply.type('text/plain; charset=UTF-8').send('OK');
  });
  allowOnly(api, ENTITY, ['GET', 'PUT', 'POST', 'DELETE']);
}
