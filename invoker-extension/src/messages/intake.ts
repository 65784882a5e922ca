/** From a message to a job. Source: facts of OpenWhisk 4.1. */
import {
  type Action,
  type ActivationMessage,
  type ActivationResponse,
  type EntityStore,
  fullyQualifiedName,
  isHealthTest,
  isPluginError,
  STATUS,
  transactionStartMs,
} from '@tetris/common';
import type { Blacklist } from './blacklist';
import type { ActivationJob } from './job';
import { type ActionBounds, limitViolation } from './limits';
import { unlock } from './parameters';
import { errorResponse } from './reply';
import { TEXTS } from './texts';

export interface IntakeOptions {
  /** Reads with a revision may come from the store's cache, as in stock; those without never do. */
  entities: Pick<EntityStore, 'getAction'>;
  blacklist: Blacklist;
  bounds: ActionBounds;
  /** Kinds that run here; health tests run whatever nodejs kind they have. */
  kinds: readonly string[];
  /** Key of locked parameters, 16 or 32 bytes. */
  parameterKey?: Buffer | undefined;
  nowMs: () => number;
}

/** What becomes of a message. */
export type Intake =
  | { outcome: 'job'; job: ActivationJob }
  /** Ack and record with this response. */
  | { outcome: 'failed'; response: ActivationResponse }
  /** Ack only. */
  | { outcome: 'ignored'; response: ActivationResponse }
  /** A health test whose action is not there. */
  | { outcome: 'healthy' };

/** Fetches and checks; never rejects. */
export async function takeIn(message: ActivationMessage, options: IntakeOptions): Promise<Intake> {
  const { entities, blacklist, nowMs } = options;
  const arrivedMs = nowMs();
  if (blacklist.has(message.user)) {
    return { outcome: 'ignored', response: errorResponse(STATUS.applicationError, TEXTS.namespaceBlacklisted) };
  }
  try {
    const action = await entities.getAction(fullyQualifiedName(message.action), message.revision ?? undefined);
    const refusal = check(message, action, options);
    if (refusal !== undefined) return { outcome: 'failed', response: refusal };
    const startedMs = startOf(message, arrivedMs);
    return { outcome: 'job', job: { message: unlock(message, options.parameterKey), action, arrivedMs, startedMs } };
  } catch (error) {
    if (isHealthTest(message.action) && isPluginError(error, 'ERR_DOCUMENT_NOT_FOUND')) return { outcome: 'healthy' };
    return { outcome: 'failed', response: fetchFailure(error) };
  }
}

/**
 * Longest way from a controller to here, waiting in a load balancer and in a broker included, ms. A transaction that
 * seems to have begun before that, or has yet to begin, tells of clocks that differ.
 */
const WAY_MS_MAX = 60_000;

/** When the transaction began; where the clocks differ, when it came. */
function startOf({ transid }: ActivationMessage, arrivedMs: number): number {
  const wayMs = arrivedMs - transactionStartMs(transid, arrivedMs);
  return wayMs >= 0 && wayMs <= WAY_MS_MAX ? arrivedMs - wayMs : arrivedMs;
}

function check(
  message: ActivationMessage,
  action: Action,
  { bounds, kinds }: IntakeOptions,
): ActivationResponse | undefined {
  const { kind, code } = action.exec;
  const serves = kinds.includes(kind) || (isHealthTest(message.action) && kind.startsWith('nodejs:'));
  if (!serves || code === undefined) {
    return errorResponse(STATUS.whiskError, `${TEXTS.actionMismatch} This invoker does not serve kind '${kind}'.`);
  }
  const violation = limitViolation(action, bounds, message.user.limits);
  return violation === undefined ? undefined : errorResponse(STATUS.applicationError, violation);
}

/** A missing document is the user's doing (status 1); everything else is ours (3). */
function fetchFailure(error: unknown): ActivationResponse {
  if (isPluginError(error, 'ERR_DOCUMENT_NOT_FOUND')) {
    return errorResponse(STATUS.applicationError, TEXTS.actionRemoved);
  }
  const isOther = isPluginError(error, 'ERR_DOCUMENT_INVALID') || isPluginError(error, 'ERR_DOCUMENT_TYPE');
  const text = isOther ? TEXTS.actionMismatch : TEXTS.actionFetchFailed;
  return errorResponse(STATUS.whiskError, text);
}
