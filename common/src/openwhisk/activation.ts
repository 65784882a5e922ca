/** The activation record. Source: `C/core/entity/WhiskActivation.scala`, `ActivationResult.scala`. */
import { z } from 'zod';
import { ActivationIdSchema } from './scalars';

/** 0 success, 1 application error, 2 action developer error, 3 whisk internal error (the only system error). */
export const STATUS = { success: 0, applicationError: 1, developerError: 2, whiskError: 3 } as const;
export type StatusCode = (typeof STATUS)[keyof typeof STATUS];

/** The words shown to users, by status code. */
export const STATUS_WORDS = ['success', 'application error', 'action developer error', 'whisk internal error'] as const;
/** The words inside event messages, by status code. */
export const EVENT_STATUS_WORDS = [
  'success',
  'application_error',
  'action_developer_error',
  'whisk_internal_error',
] as const;

export const KeyValueSchema = z.looseObject({ key: z.string(), value: z.unknown() });
export type KeyValue = z.infer<typeof KeyValueSchema>;

export const ActivationResponseSchema = z.looseObject({
  statusCode: z.number().int(),
  result: z.unknown().optional(),
  /** Characters of the container's reply. */
  size: z.number().nullish(),
});
export type ActivationResponse = z.infer<typeof ActivationResponseSchema>;

/** Times are epoch ms; `duration` is ms and includes init. */
export const ActivationSchema = z.looseObject({
  namespace: z.string(),
  name: z.string(),
  subject: z.string(),
  activationId: ActivationIdSchema,
  start: z.number(),
  end: z.number(),
  duration: z.number().nullish(),
  response: ActivationResponseSchema,
  logs: z.array(z.string()),
  version: z.string(),
  publish: z.boolean(),
  annotations: z.array(KeyValueSchema),
  cause: ActivationIdSchema.nullish(),
});
export type Activation = z.infer<typeof ActivationSchema>;

/** The value of an annotation or parameter, undefined where it has none. */
export function valueOf(pairs: readonly KeyValue[], key: string): unknown {
  return pairs.find((pair) => pair.key === key)?.value;
}
