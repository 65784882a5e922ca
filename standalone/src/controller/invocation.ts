import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Action,
  type Activation,
  type ActivationMessage,
  type EntityStore,
  type Identity,
  newActivationId,
  type TransactionId,
  valueOf,
} from '@tetris/common';
import type { Sent } from './balancer/sharding-balancer';
import { RestError } from './rest-error';
import { tooLarge } from './actions';

/** Waits between looks into the database after a shrunk result. Source: `K/controller/actions/PrimitiveActions.scala`. */
const SHRUNK_WAITS_MS = [1_000, 3_000, 5_000, 7_000];
/** The look that every blocking call takes beside. */
const SLOW_POLL_MS = 15_000;

/** Parameters of an invocation: an object, or an array that replaces everything. */
export type Payload = Record<string, unknown> | unknown[];

/**
 * Checks an invocation's body.
 * @throws RestError 400 where it is neither object nor array or overrides final parameters, 413 where it is too large
 */
export function checkedPayload(body: unknown, action: Action, payloadBytesMax: number): Payload {
  if (body === undefined || body === null) return {};
  if (typeof body !== 'object') {
    throw new RestError(400, 'The request content was malformed: parameters must be an object or an array.');
  }
  const bytes = Buffer.byteLength(JSON.stringify(body));
  if (bytes > payloadBytesMax) throw new RestError(413, tooLarge('activation payload', bytes, payloadBytesMax));
  if (Array.isArray(body)) return body as unknown[];
  if (valueOf(action.annotations, 'final') === true) {
    const fixed = action.parameters.filter(({ key, value }) => value != null && Object.hasOwn(body, key));
    if (fixed.length > 0) {
      const names = fixed.map(({ key }) => key).join(', ');
      throw new RestError(400, `The request may not override final parameters: ${names}.`);
    }
  }
  return body as Record<string, unknown>;
}

export interface Invocation {
  action: Action;
  user: Identity;
  transid: TransactionId;
  controller: string;
  blocking: boolean;
  payload: Payload;
}

/** The message of an invocation: action parameters merged with the payload, which wins. */
export function activationMessage({
  action,
  user,
  transid,
  controller,
  blocking,
  payload,
}: Invocation): ActivationMessage {
  const defaults = Object.fromEntries(action.parameters.map(({ key, value }) => [key, value]));
  return {
    transid: [...transid],
    action: { path: action.namespace, name: action.name, version: action.version },
    revision: action.revision,
    user,
    activationId: newActivationId(),
    rootControllerIndex: { asString: controller, instanceType: 'controller' },
    blocking,
    content: Array.isArray(payload) ? payload : { ...defaults, ...payload },
    initArgs: action.parameters.filter(({ init }) => init === true).map(({ key }) => key),
    lockedArgs: {},
  };
}

/**
 * Waits for a blocking activation: for its ack, and with an eye on the database, which alone has the record when the
 * ack was shrunk or lost. Undefined when `waitMs` has passed; the activation goes on.
 */
export async function awaitRecord(
  { activationId, result }: Sent,
  store: EntityStore,
  namespace: string,
  waitMs: number,
): Promise<Activation | undefined> {
  const done = new AbortController();
  const { signal } = done;
  const look = (): Promise<Activation | undefined> =>
    store.getActivation(`${namespace}/${activationId}`).catch(() => undefined);
  const poll = async (waits: Iterable<number>): Promise<Activation> => {
    for (const wait of waits) {
      await sleep(wait, undefined, { signal });
      const record = await look();
      if (record !== undefined) return record;
    }
    return never();
  };
  const acked = async (): Promise<Activation> => {
    const record = await result.catch(never);
    return typeof record === 'string' ? poll(SHRUNK_WAITS_MS) : record;
  };
  const slow = Array.from({ length: Math.floor(waitMs / SLOW_POLL_MS) }, () => SLOW_POLL_MS);
  try {
    return await Promise.race([acked(), poll(slow), sleep(waitMs, undefined, { signal })].map(quietOnAbort));
  } finally {
    done.abort();
  }
}

const never = (): Promise<never> => new Promise(() => undefined);

/** The timers of those who lost the race end without a rejection that nobody handles. */
function quietOnAbort<T>(racer: Promise<T>): Promise<T> {
  racer.catch(() => undefined);
  return racer;
}
