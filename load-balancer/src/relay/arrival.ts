/**
 * Reads of an activation message what routing needs and demands nothing else of it: what other fields must look like
 * is for the invoker to judge, and a relay that knew better would lose messages of versions to come.
 */
import { z } from 'zod';
import {
  ActionNameSchema,
  ActivationIdSchema,
  ControllerInstanceIdSchema,
  TransactionIdSchema,
  fullyQualifiedName,
  isHealthTest,
  parseMessage,
} from '@tetris/common';
import type { Arrival } from '../front-end';

const RoutedMessageSchema = z.object({
  transid: TransactionIdSchema,
  action: ActionNameSchema,
  revision: z.string().nullish(),
  user: z.object({ subject: z.string(), namespace: z.object({ name: z.string() }) }),
  activationId: ActivationIdSchema,
  rootControllerIndex: ControllerInstanceIdSchema,
  blocking: z.boolean(),
});

/** @throws PluginError `ERR_MESSAGE_INVALID` */
export function readArrival(value: Buffer, virtualInvoker: number): Arrival {
  const message = parseMessage(RoutedMessageSchema, value, 'ActivationMessage');
  const { action, user } = message;
  const version = 'version' in action ? action.version : undefined;
  return {
    activationId: message.activationId,
    transid: message.transid,
    controller: message.rootControllerIndex.asString,
    virtualInvoker,
    blocking: message.blocking,
    namespace: user.namespace.name,
    subject: user.subject,
    action: fullyQualifiedName(action),
    ...(typeof version === 'string' ? { version } : {}),
    revision: message.revision ?? null,
    healthTest: isHealthTest(action),
    value,
  };
}
