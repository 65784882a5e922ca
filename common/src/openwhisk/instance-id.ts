/** Instance ids inside pings and acks. Source: `C/core/entity/InstanceId.scala`. */
import { z } from 'zod';
import { ByteSizeSchema, formatByteSize } from './scalars';

/** `tags` and `dedicatedNamespaces` are mandatory for readers from 2.0.0 on, unknown to 1.0.0: always written. */
export const InvokerInstanceIdSchema = z.looseObject({
  instance: z.number().int().min(0),
  userMemory: ByteSizeSchema,
  busyMemory: ByteSizeSchema.nullish(),
  instanceType: z.literal('invoker').default('invoker'),
  tags: z.array(z.string()).default([]),
  dedicatedNamespaces: z.array(z.string()).default([]),
  uniqueName: z.string().nullish(),
  displayedName: z.string().nullish(),
});
export type InvokerInstanceId = z.infer<typeof InvokerInstanceIdSchema>;

/** Legal controller ids: at most 128 of these characters (they become part of a topic's name). */
export const ControllerIdSchema = z.string().regex(/^[a-zA-Z0-9._-]{1,128}$/);

export const ControllerInstanceIdSchema = z.looseObject({
  asString: ControllerIdSchema,
  instanceType: z.literal('controller').nullish(),
});
export type ControllerInstanceId = z.infer<typeof ControllerInstanceIdSchema>;

/** An invoker's id as it goes on the wire. @param userMemory capacity for action containers, bytes */
export function invokerInstanceId(instance: number, userMemory: number, uniqueName?: string): InvokerInstanceId {
  return {
    instance,
    userMemory: formatByteSize(userMemory),
    instanceType: 'invoker',
    tags: [],
    dedicatedNamespaces: [],
    ...(uniqueName === undefined ? {} : { uniqueName }),
  };
}
