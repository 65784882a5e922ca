/** Entities as users see them. Source: `C/core/entity/WhiskActivation.scala` `toExtendedJson`, `WhiskAction.scala`. */
import { type Action, type Activation, STATUS, STATUS_WORDS } from '@tetris/common';
import { SEQUENCE } from './entities/actions';

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

/** A trigger's record has no end: nothing ran. */
const hasEnd = ({ end }: Activation): boolean => end !== 0;
const NOT_RUN = ['end', 'duration'];

export function fullActivation(activation: Activation): Json {
  const hidden = [...STORAGE_FIELDS, ...(hasEnd(activation) ? [] : NOT_RUN)];
  return { ...without(activation, hidden), response: extendedResponse(activation) };
}

/** An entry of a list. */
export function activationSummary(activation: Activation): Json {
  const hidden = [...STORAGE_FIELDS, 'response', 'logs', 'subject'];
  if (!hasEnd(activation)) return without(activation, [...hidden, ...NOT_RUN]);
  return { ...without(activation, hidden), statusCode: activation.response.statusCode };
}

export function fullAction(action: Action, withCode = true): Json {
  const hidden = [...(withCode ? [] : ['code']), ...(action.exec.kind === SEQUENCE ? ['binary'] : [])];
  const exec = without(action.exec, hidden);
  return { ...shown(action), exec };
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

/** An entity without what only the store knows. */
export const shown = <T extends { revision: string }>(entity: T): Json => without(entity, ['revision']);
