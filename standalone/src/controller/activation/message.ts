/** What is sent to an invoker. Pure. Source: `K/controller/actions/PrimitiveActions.scala`. */
import {
  type Action,
  type ActivationMessage,
  fullyQualifiedName,
  type Identity,
  newActivationId,
  type TransactionId,
  valueOf,
} from '@tetris/common';
import { tooLarge } from '../entities/put';
import { malformed, RestError } from '../rest-error';
import { TEXTS } from '../texts';

/** Parameters of an invocation: an object, or an array that replaces everything. */
export type Payload = Record<string, unknown> | unknown[];

/** An action as it is run: parameters of its package and of the binding merged into its own. */
export interface RunnableAction extends Action {
  /** `namespace/package` of the binding by which it was found; absent where there was none. */
  binding?: string;
}

/** One run of an action. */
export interface Call {
  action: RunnableAction;
  user: Identity;
  /** Undefined: the action's own parameters alone. */
  payload: Payload | undefined;
  transid: TransactionId;
  /** Activation of the sequence or composition that this is part of. */
  cause?: string | undefined;
}

/** Parameters that nobody may override: those of an action with the annotation `final` that have a value. */
export function finalParameters({ annotations, parameters }: Action): string[] {
  if (valueOf(annotations, 'final') !== true) return [];
  return parameters.filter(({ value }) => value != null).map(({ key }) => key);
}

/**
 * Checks an invocation's body.
 * @throws RestError 400 where it is neither object nor array or overrides final parameters, 413 where it is too large
 */
export function checkedPayload(body: unknown, action: Action, payloadBytesMax: number): Payload {
  const payload = payloadOf(body, payloadBytesMax);
  if (finalParameters(action).some((name) => Object.hasOwn(payload, name))) {
    throw new RestError(400, TEXTS.parametersNotAllowed);
  }
  return payload;
}

/** @throws RestError 400 where it is neither object nor array, 413 */
export function payloadOf(body: unknown, payloadBytesMax: number): Payload {
  if (body === undefined || body === null) return {};
  if (typeof body !== 'object') throw malformed('Object expected: parameters are an object or an array.');
  const bytes = Buffer.byteLength(JSON.stringify(body));
  if (bytes > payloadBytesMax) throw new RestError(413, tooLarge('Request', bytes, payloadBytesMax));
  return body as Payload;
}

/** The message of an invocation: action parameters merged with the payload, which wins. */
export function activationMessage(call: Call, controller: string, blocking: boolean): ActivationMessage {
  const { action, user, transid, payload = {}, cause } = call;
  const defaults = Object.fromEntries(action.parameters.map(({ key, value }) => [key, value]));
  const { namespace, name, version, binding } = action;
  return {
    transid: [...transid],
    action: { path: namespace, name, version, ...(binding === undefined ? {} : { binding }) },
    revision: action.revision,
    user,
    activationId: newActivationId(),
    rootControllerIndex: { asString: controller, instanceType: 'controller' },
    blocking,
    content: Array.isArray(payload) ? payload : { ...defaults, ...payload },
    initArgs: action.parameters.filter(({ init }) => init === true).map(({ key }) => key),
    lockedArgs: {},
    ...(cause === undefined ? {} : { cause }),
  };
}

/** A transid for a part of something: its own start, so that its `waitTime` is its own. */
export function childOf([id, , ...rest]: TransactionId, nowMs: number): TransactionId {
  return [id, nowMs, ...rest];
}

/** `namespace/package/name` as a record's annotation `path` has it. */
export const pathOf = ({ namespace, name }: Action): string => fullyQualifiedName({ path: namespace, name });
