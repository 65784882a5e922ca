/** Entities as users see them. Source: `C/core/entity/WhiskActivation.scala` `toExtendedJson`, `WhiskAction.scala`. */
import { type Action, type Activation, STATUS, STATUS_WORDS } from '@tetris/common';

type Json = Record<string, unknown>;

/** `response` with words in place of the status code. */
export function extendedResponse({ response }: Activation): Json {
  const { statusCode, result, size } = response;
  return {
    status: STATUS_WORDS[statusCode] ?? STATUS_WORDS[STATUS.whiskError],
    success: statusCode === STATUS.success,
    ...(size == null ? {} : { size }),
    result,
  };
}

export function fullActivation(activation: Activation): Json {
  return { ...without(activation, STORAGE_FIELDS), response: extendedResponse(activation) };
}

/** An entry of a list. */
export function activationSummary(activation: Activation): Json {
  return {
    ...without(activation, [...STORAGE_FIELDS, 'response', 'logs']),
    statusCode: activation.response.statusCode,
  };
}

export function fullAction(action: Action, withCode = true): Json {
  const exec = withCode ? action.exec : without(action.exec, ['code']);
  return { ...without(action, ['revision']), exec };
}

export function actionSummary(action: Action): Json {
  const { namespace, name, version, publish, annotations, limits, updated, exec } = action;
  return { namespace, name, version, publish, annotations, limits, exec: { binary: exec.binary }, updated };
}

/** What a database adds to a record. */
const STORAGE_FIELDS = ['_id', '_rev', 'entityType', 'updated'];

/** An object without some of its fields, and without those that are null. */
function without(object: object, names: readonly string[]): Json {
  return Object.fromEntries(Object.entries(object).filter(([key, value]) => !names.includes(key) && value != null));
}
