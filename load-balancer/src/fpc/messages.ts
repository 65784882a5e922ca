/** Orders of a scheduler for containers, and their acks. Source: OpenWhisk `C/core/connector/Message.scala`. */
import { z } from 'zod';
import {
  ActionLimitsSchema,
  ControllerIdSchema,
  type InvokerInstanceId,
  parseMessage,
  TransactionIdSchema,
} from '@tetris/common';

const NameSchema = z.looseObject({
  path: z.string(),
  name: z.string(),
  version: z.string().nullish(),
  binding: z.string().nullish(),
});
const MetaDataSchema = z.looseObject({ exec: z.looseObject({ kind: z.string() }), limits: ActionLimitsSchema });
const OrderSchema = z.looseObject({
  transid: TransactionIdSchema,
  invocationNamespace: z.string(),
  action: NameSchema,
  revision: z.string().nullable(),
  whiskActionMetaData: MetaDataSchema,
});
const CreationSchema = OrderSchema.extend({
  creationId: z.string(),
  rootSchedulerIndex: z.looseObject({ asString: ControllerIdSchema }),
  schedulerHost: z.string(),
  rpcPort: z.number().int(),
  retryCount: z.number().int(),
});

/** A container is wanted. */
export type Creation = z.infer<typeof CreationSchema>;
/** Containers of this revision and of older ones are to go. */
export type Deletion = z.infer<typeof OrderSchema>;

export type Order = { creation: Creation } | { deletion: Deletion };

/** @throws PluginError `ERR_MESSAGE_INVALID` */
export function readOrder(value: Buffer): Order {
  // The two differ in this field alone.
  if (value.includes('"creationId"'))
    return { creation: parseMessage(CreationSchema, value, 'ContainerCreationMessage') };
  return { deletion: parseMessage(OrderSchema, value, 'ContainerDeletionMessage') };
}

/** What each new scheduler sends to each invoker, for nobody to run. */
export function isWarmUp({ action, rpcPort }: Creation): boolean {
  return rpcPort === 0 || `${action.path}/${action.name}` === 'whisk.system/warmUp';
}

/**
 * The ack as a scheduler reads it, without an error: the order is done. All that was sent goes back.
 */
export function creationAck(creation: Creation, invoker: InvokerInstanceId): string {
  const { transid, creationId, invocationNamespace, action, revision, whiskActionMetaData } = creation;
  const { schedulerHost, rpcPort, retryCount } = creation;
  return JSON.stringify({
    transid,
    creationId,
    invocationNamespace,
    action,
    revision,
    actionMetaData: whiskActionMetaData,
    rootInvokerIndex: invoker,
    schedulerHost,
    rpcPort,
    retryCount,
  });
}
