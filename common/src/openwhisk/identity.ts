/** Who invokes. Source: `C/core/entity/Identity.scala`. Unknown fields are kept, so that a relay loses nothing. */
import { z } from 'zod';

/** Limits of a namespace; all optional, sizes as ByteSize strings, times in ms, memory and logs in MB. */
export const UserLimitsSchema = z.looseObject({
  invocationsPerMinute: z.number().nullish(),
  concurrentInvocations: z.number().nullish(),
  firesPerMinute: z.number().nullish(),
  allowedKinds: z.array(z.string()).nullish(),
  storeActivations: z.boolean().nullish(),
  minActionMemory: z.number().nullish(),
  maxActionMemory: z.number().nullish(),
  minActionLogs: z.number().nullish(),
  maxActionLogs: z.number().nullish(),
  minActionTimeout: z.number().nullish(),
  maxActionTimeout: z.number().nullish(),
  minActionConcurrency: z.number().nullish(),
  maxActionConcurrency: z.number().nullish(),
  maxParameterSize: z.string().nullish(),
  maxPayloadSize: z.string().nullish(),
  truncationSize: z.string().nullish(),
});
export type UserLimits = z.infer<typeof UserLimitsSchema>;

export const IdentitySchema = z.looseObject({
  subject: z.string(),
  namespace: z.looseObject({ name: z.string(), uuid: z.string() }),
  authkey: z.looseObject({ api_key: z.string().optional() }),
  rights: z.array(z.string()),
  limits: UserLimitsSchema,
});
export type Identity = z.infer<typeof IdentitySchema>;
