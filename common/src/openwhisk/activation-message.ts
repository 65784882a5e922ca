/** Controller -> `invoker<N>`. Source: `C/core/connector/Message.scala` ActivationMessage. */
import { z } from 'zod';
import { IdentitySchema } from './identity';
import { ControllerInstanceIdSchema } from './instance-id';
import { parseMessage } from './parse';
import { ActivationIdSchema, TransactionIdSchema } from './scalars';

/** `{path, name}`, where path is `namespace` or `namespace/package`; the bare string `ns/pkg/name` is read too. */
export const ActionNameSchema = z.union([
  z.looseObject({
    path: z.string(),
    name: z.string(),
    version: z.string().nullish(),
    binding: z.string().nullish(),
  }),
  z.string().transform((text, context) => {
    const at = text.lastIndexOf('/');
    if (at <= 0 || at === text.length - 1) {
      context.addIssue({ code: 'custom', message: `'${text}' is not a fully qualified action name` });
      return z.NEVER;
    }
    return { path: text.slice(0, at).replace(/^\//, ''), name: text.slice(at + 1) };
  }),
]);
export type ActionName = z.infer<typeof ActionNameSchema>;

/** Mandatory as in the stock reader, which accepts absent fields only for its Options. */
export const ActivationMessageSchema = z.looseObject({
  transid: TransactionIdSchema,
  action: ActionNameSchema,
  revision: z.string().nullable(),
  user: IdentitySchema,
  activationId: ActivationIdSchema,
  rootControllerIndex: ControllerInstanceIdSchema,
  /** Somebody awaits the result; not "an HTTP client waits". */
  blocking: z.boolean(),
  content: z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]).nullish(),
  /** Parameter names that become environment at init and leave the run arguments. */
  initArgs: z.array(z.string()),
  lockedArgs: z.record(z.string(), z.string()),
  cause: ActivationIdSchema.nullish(),
  traceContext: z.record(z.string(), z.string()).nullish(),
});
export type ActivationMessage = z.infer<typeof ActivationMessageSchema>;

/** @throws PluginError `ERR_MESSAGE_INVALID` */
export const readActivationMessage = (value: Buffer | string): ActivationMessage =>
  parseMessage(ActivationMessageSchema, value, 'ActivationMessage');

/** `guest/vision/classify`: the id of the action's document and its `path` annotation. */
export function fullyQualifiedName(action: Pick<ActionName, 'path' | 'name'>): string {
  return `${action.path}/${action.name}`;
}

/** The controllers' health probe: an action of the system namespace whose name starts so. */
export function isHealthTest(action: Pick<ActionName, 'path' | 'name'>): boolean {
  return isHealthTestName(`${action.path}/${action.name}`);
}

/** The same for a fully qualified name. */
export function isHealthTestName(name: string): boolean {
  return name.startsWith('whisk.system/invokerHealthTestAction');
}
