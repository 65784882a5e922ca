/** Invoker -> `health`, once a second. Source: `C/core/connector/Message.scala` PingMessage. */
import { z } from 'zod';
import { InvokerInstanceIdSchema } from './instance-id';
import { parseMessage } from './parse';

export const PingMessageSchema = z.looseObject({
  name: InvokerInstanceIdSchema,
  /** Absent means true. */
  isEnabled: z.boolean().nullish(),
});
export type PingMessage = z.infer<typeof PingMessageSchema>;

export const readPing = (value: Buffer | string): PingMessage => parseMessage(PingMessageSchema, value, 'PingMessage');
