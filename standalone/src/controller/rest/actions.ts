import { type Activation, STATUS } from '@tetris/common';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Controller, Invoked } from '../controller';
import { actionSummary, fullAction, fullActivation } from '../presentation';
import { RestError } from '../rest-error';
import { entityName, flagOf, integerOf, pageOf, type Query } from './query';

interface ActionRoute {
  Params: { name: string };
  Querystring: Query;
}

/** `/namespaces/{ns}/actions`. Source: `K/controller/Actions.scala`. */
export function actionRoutes(api: FastifyInstance, controller: Controller): void {
  const { store, limits } = controller;

  api.get<{ Querystring: Query }>('/:namespace/actions', async ({ query, user }) => {
    const namespace = user.namespace.name;
    if (flagOf(query, 'count', false)) return { actions: await store.countActions(namespace) };
    return (await store.listActions(namespace, pageOf(query))).map(actionSummary);
  });

  api.get<ActionRoute>('/:namespace/actions/:name', async ({ params, query, user }) => {
    const action = await store.getAction(`${user.namespace.name}/${entityName(params.name)}`);
    return fullAction(action, flagOf(query, 'code', true));
  });

  api.put<ActionRoute>('/:namespace/actions/:name', async ({ params, query, user, body }) =>
    fullAction(await controller.putAction(user, entityName(params.name), body, flagOf(query, 'overwrite', false))),
  );

  api.delete<ActionRoute>('/:namespace/actions/:name', async ({ params, user }) =>
    fullAction(await controller.deleteAction(user, entityName(params.name))),
  );

  api.post<ActionRoute>('/:namespace/actions/:name', async ({ params, query, user, body, transid }, reply) => {
    const blocking = flagOf(query, 'blocking', false);
    const resultOnly = flagOf(query, 'result', false);
    const waitMs = integerOf(query, 'timeout', { min: 1, max: limits.blockingWaitMs }) ?? limits.blockingWaitMs;
    const invoked = await controller.invoke(user, entityName(params.name), body, { blocking, waitMs, transid });
    return answer(reply, invoked, resultOnly);
  });
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
  if (!resultOnly) return { ...fullActivation(record), logs: [] };
  if (typeof result === 'object' && result !== null) return result;
  throw new RestError(500, 'The activation has no result that can be shown alone.');
}
