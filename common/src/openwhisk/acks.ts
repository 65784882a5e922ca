/**
 * Invoker -> `completed<controller>`: three types on one topic, told apart by their keys alone.
 * Source: `C/core/connector/Message.scala` AcknowledgementMessage.
 *
 * | `instance` | `response` | type | meaning |
 * | --- | --- | --- | --- |
 * | yes | yes | combined | result available and slot free |
 * | yes | no | completion | slot free |
 * | no | yes | result | result available, slot still held |
 */
import { z } from 'zod';
import { PluginError } from '../errors';
import { type Activation, ActivationSchema, STATUS } from './activation';
import { ControllerInstanceIdSchema, InvokerInstanceIdSchema, type InvokerInstanceId } from './instance-id';
import { parseMessage } from './parse';
import { ActivationIdSchema, TransactionIdSchema, type TransactionId } from './scalars';

const AckSchema = z.looseObject({
  transid: TransactionIdSchema,
  instance: z.union([InvokerInstanceIdSchema, ControllerInstanceIdSchema]).nullish(),
  /** The whole activation, or its id alone when shrunk. */
  response: z.union([ActivationIdSchema, ActivationSchema]).nullish(),
  activationId: ActivationIdSchema.nullish(),
  isSystemError: z.boolean().nullish(),
});
export type Ack = z.infer<typeof AckSchema>;
export type AckType = 'combined' | 'completion' | 'result';

/** @throws PluginError `ERR_MESSAGE_INVALID`, also where neither key is present or a completion has no id. */
export function readAck(value: Buffer | string): Ack {
  const ack = parseMessage(AckSchema, value, 'AcknowledgementMessage');
  if (ack.instance == null && ack.response == null) {
    throw new PluginError('ERR_MESSAGE_INVALID', 'AcknowledgementMessage has neither instance nor response');
  }
  if (ack.response == null && ack.activationId == null) {
    throw new PluginError('ERR_MESSAGE_INVALID', 'CompletionMessage has no activationId');
  }
  return ack;
}

export function ackType(ack: Ack): AckType {
  if (ack.instance == null) return 'result';
  return ack.response == null ? 'completion' : 'combined';
}

/** The activation an ack speaks of. */
export function ackedActivationId(ack: Ack): string {
  if (typeof ack.response === 'string') return ack.response;
  return ack.response?.activationId ?? ack.activationId ?? '';
}

/** Does this ack return the slot to the invoker? */
export const freesSlot = (ack: Ack): boolean => ackType(ack) !== 'result';

/** Result available, slot still held. */
export function resultMessage(transid: TransactionId, activation: Activation): Ack {
  return { transid: [...transid], response: activation };
}

/** Slot free, no result. */
export function completionMessage(
  transid: TransactionId,
  activationId: string,
  isSystemError: boolean,
  instance: InvokerInstanceId,
): Ack {
  return { transid: [...transid], activationId, isSystemError, instance };
}

/**
 * Result available and slot free.
 * @param isSystemError whether it speaks against the invoker. @default what the response's status says
 */
export function combinedMessage(
  transid: TransactionId,
  activation: Activation,
  instance: InvokerInstanceId,
  isSystemError = activation.response.statusCode === STATUS.whiskError,
): Ack {
  return { transid: [...transid], response: activation, isSystemError, instance };
}

/** The same ack with the activation replaced by its id, for non-blocking activations and for "record too large". */
export function shrink(ack: Ack): Ack {
  if (ack.response == null || typeof ack.response === 'string') return ack;
  return { ...ack, response: ack.response.activationId };
}
