import { type Activation, STATUS } from '@tetris/common';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { requireOwner } from '../access';
import type { Invoked } from '../activation/single-actions';
import type { Controller } from '../controller';
import { actionSummary, fullAction, fullActivation } from '../presentation';
import { RestError } from '../rest-error';
import { allowOnly } from './methods';
import { actionNameOf, type NamedParams, namespaceOf, targetOf } from './names';
import { flagOf, integerOf, listOrCount, type Query } from './query';

interface ActionRoute {
  Params: NamedParams & { package?: string };
  Querystring: Query;
}

const COLLECTION = '/:namespace/actions';

/** `/namespaces/{ns}/actions`, in packages too. Source: `K/controller/Actions.scala`. */
export function actionRoutes(api: FastifyInstance, controller: Controller): void {
  const { store } = controller;
  for (const url of [COLLECTION, `${COLLECTION}/`]) {
    api.get<ActionRoute>(url, async ({ params, query, user }) => {
      const namespace = namespaceOf(params.namespace, user);
      requireOwner(user, namespace);
      return listOrCount(query, 'actions', {
        list: async (page) => (await store.listActions(namespace, page)).map(actionSummary),
        count: () => store.countActions(namespace),
      });
    });
    allowOnly(api, url, ['GET']);
  }
  api.get<ActionRoute>(`${COLLECTION}/:name/`, async ({ params, query, user }) => {
    const target = targetOf(params, user);
    return listOrCount(query, 'actions', {
      list: async (page) => (await controller.packages.actions(user, target, page)).map(actionSummary),
      count: () => controller.packages.countActions(user, target),
    });
  });
  allowOnly(api, `${COLLECTION}/:name/`, ['GET']);
  for (const url of [`${COLLECTION}/:name`, `${COLLECTION}/:package/:name`]) oneActionRoutes(api, controller, url);
}

function oneActionRoutes(api: FastifyInstance, { actions, limits }: Controller, url: string): void {
  api.get<ActionRoute>(url, async ({ params, query, user }) =>
    fullAction(await actions.get(user, actionNameOf(params, user)), flagOf(query, 'code', true)),
  );
  api.put<ActionRoute>(url, async ({ params, query, user, body }) => {
    const overwrite = flagOf(query, 'overwrite', false);
    return fullAction(await actions.put(user, actionNameOf(params, user), body, overwrite));
  });
  api.delete<ActionRoute>(url, async ({ params, user }) =>
    fullAction(await actions.delete(user, actionNameOf(params, user))),
  );
  api.post<ActionRoute>(url, async (request, reply) => {
    const { params, query, user, body } = request;
    const resultOnly = flagOf(query, 'result', false);
    const waitMs = waitOf(request, limits.blockingWaitMs);
    return answer(reply, await actions.invoke(request, actionNameOf(params, user), body, waitMs), resultOnly);
  });
  allowOnly(api, url, ['GET', 'PUT', 'POST', 'DELETE']);
}

/** Undefined for who does not wait. */
function waitOf({ query }: FastifyRequest<ActionRoute>, blockingWaitMs: number): number | undefined {
  const waitMs = integerOf(query, 'timeout', { min: 1, max: blockingWaitMs }) ?? blockingWaitMs;
  return flagOf(query, 'blocking', false) ? waitMs : undefined;
}

/** 202 without a record; else 200, 502 for the action's own failures and 500 for the platform's. */
function answer(reply: FastifyReply, { activationId, record }: Invoked, resultOnly: boolean): FastifyReply {
  void reply.header('x-openwhisk-activation-id', activationId);
  if (record === undefined) return reply.status(202).send({ activationId });
  return reply.status(statusOf(record)).send(bodyOf(record, resultOnly));
}

function statusOf({ response: { statusCode } }: Activation): number {
  if (statusCode === STATUS.success) return 200;
  return statusCode === STATUS.whiskError ? 500 : 502;
}

function bodyOf(record: Activation, resultOnly: boolean): unknown {
  const { result } = record.response;
  if (Array.isArray(result)) return result;
  if (!resultOnly) return fullActivation(record);
  if (typeof result === 'object' && result !== null) return result;
  throw new RestError(500, 'The activation has no result that can be shown alone.');
}
