import type { FastifyInstance, FastifyRequest } from 'fastify';
import { requireOwner } from '../access';
import type { Controller } from '../controller';
import { packageSummary } from '../entities/packages';
import { shownRule } from '../entities/rules';
import { triggerSummary } from '../entities/triggers';
import { effectiveLimits } from '../limits';
import { actionSummary } from '../presentation';
import { allowOnly } from './methods';
import { namespaceOf } from './names';
import { pageOf, type Query } from './query';

interface NamespaceRoute {
  Params: { namespace: string };
  Querystring: Query;
}

/** `/namespaces`, `/namespaces/{ns}` and its limits. Source: `K/controller/{Namespaces,Limits}.scala`. */
export function namespaceRoutes(api: FastifyInstance, { store, limits }: Controller): void {
  api.get('/', async ({ user }) => [user.namespace.name]);

  /** Everything in a namespace, as older clients ask for it; newer ones ask for each list. */
  api.get<NamespaceRoute>('/:namespace', async (request) => {
    const namespace = ownNamespace(request);
    const page = pageOf(request.query, 'namespaces');
    return {
      actions: (await store.listActions(namespace, page)).map(actionSummary),
      packages: (await store.listEntities('package', namespace, page)).map(packageSummary),
      triggers: (await store.listEntities('trigger', namespace, page)).map(triggerSummary),
      rules: (await store.listEntities('rule', namespace, page)).map((rule) => shownRule(rule)),
    };
  });
  api.get<NamespaceRoute>('/:namespace/limits', async (request) => {
    ownNamespace(request);
    return effectiveLimits(limits, request.user.limits);
  });
  for (const url of ['/', '/:namespace', '/:namespace/limits']) allowOnly(api, url, ['GET']);
}

function ownNamespace({ params, user }: FastifyRequest<NamespaceRoute>): string {
  const namespace = namespaceOf(params.namespace, user);
  requireOwner(user, namespace);
  return namespace;
}
