/**
 * What is known of a sequence while it runs. Pure. Source: `K/controller/actions/SequenceActions.scala`
 * SequenceAccounting.
 */
import { type Activation, type ActivationResponse, STATUS } from '@tetris/common';
import { TEXTS } from '../texts';
import { durationOf, failure, largest, memoryOf, payloadFrom } from './composite-record';
import type { Payload } from './message';

export interface Accounting {
  /** Actions run since the topmost sequence began, those of inner sequences included. */
  readonly atomicCount: number;
  /** Of the last component; at first the payload. */
  readonly response: ActivationResponse;
  readonly activationIds: readonly string[];
  readonly durationMs: number;
  readonly memoryMb: number | undefined;
  /** Nothing more is run. */
  readonly isOver: boolean;
}

export function begin(payload: Payload | undefined, atomicCount: number): Accounting {
  const response = { statusCode: STATUS.applicationError, result: payload };
  return { atomicCount, response, activationIds: [], durationMs: 0, memoryMb: undefined, isOver: false };
}

/** What the next component gets. */
export const nextPayload = ({ response }: Accounting): Payload | undefined => payloadFrom(response.result);

/** A component has answered; one whose result has the key `error` is the last. */
export function answered(
  accounting: Accounting,
  activation: Activation,
  atomicCount: number,
  actionsMax: number,
): Accounting {
  const isTooLong = atomicCount > actionsMax;
  const { result } = activation.response;
  const isError = typeof result === 'object' && result !== null && 'error' in result;
  return {
    atomicCount,
    response: isTooLong ? failure(STATUS.applicationError, TEXTS.sequenceTooLong) : activation.response,
    activationIds: [...accounting.activationIds, activation.activationId],
    durationMs: accounting.durationMs + durationOf(activation),
    memoryMb: largest(accounting.memoryMb, memoryOf(activation)),
    isOver: isTooLong || isError,
  };
}

/** A component has no record: there is none, it could not be sent, or it took too long. */
export function failed(accounting: Accounting, response: ActivationResponse, activationId?: string): Accounting {
  const ids = activationId === undefined ? [] : [activationId];
  return { ...accounting, response, activationIds: [...accounting.activationIds, ...ids], isOver: true };
}
