/** Action documents of the `whisks` database. Source: `C/core/entity/WhiskAction.scala`, `Exec.scala`, `Limits`. */
import { z } from 'zod';
import { KeyValueSchema } from './activation';

/** timeout ms, memory MB, logs MB, concurrency = activations at once in one container. */
export const ActionLimitsSchema = z.looseObject({
  timeout: z.number().default(60_000),
  memory: z.number().default(256),
  logs: z.number().default(10),
  concurrency: z.number().default(1),
});
export type ActionLimits = z.infer<typeof ActionLimitsSchema>;

/** An attachment reference as stored: name `mem:<base64>`, `couch:<uuid>` or relative. */
export const AttachedSchema = z.looseObject({
  attachmentName: z.string(),
  attachmentType: z.string(),
  length: z.number().nullish(),
  digest: z.string().nullish(),
});

export const StoredExecSchema = z.looseObject({
  kind: z.string(),
  code: z.union([z.string(), AttachedSchema]).nullish(),
  binary: z.boolean().nullish(),
  main: z.string().nullish(),
  image: z.string().nullish(),
  components: z.array(z.unknown()).nullish(),
});
export type StoredExec = z.infer<typeof StoredExecSchema>;

export const ActionDocumentSchema = z.looseObject({
  _id: z.string(),
  _rev: z.string(),
  entityType: z.literal('action').default('action'),
  namespace: z.string(),
  name: z.string(),
  version: z.string(),
  publish: z.boolean(),
  updated: z.number().default(0),
  exec: StoredExecSchema,
  parameters: z.array(KeyValueSchema).default([]),
  annotations: z.array(KeyValueSchema).default([]),
  limits: ActionLimitsSchema,
});
export type ActionDocument = z.infer<typeof ActionDocumentSchema>;

/** An action ready to run: attachments resolved, `code` as text (base64 where `binary`). */
export interface Action {
  /** `namespace` or `namespace/package`. */
  namespace: string;
  name: string;
  version: string;
  /** Document revision; it never changes its content, so it is safe as a cache key. */
  revision: string;
  publish: boolean;
  /** Epoch ms. */
  updated: number;
  exec: {
    kind: string;
    /** Absent for sequences and blackbox actions without code. */
    code?: string;
    binary: boolean;
    main?: string;
    image?: string;
    components?: unknown[];
  };
  parameters: z.infer<typeof KeyValueSchema>[];
  annotations: z.infer<typeof KeyValueSchema>[];
  limits: ActionLimits;
}

/**
 * OpenWhisk's rule for "is this code base64 of something binary": trimmed, non-empty, a length divisible by four and
 * standard base64 without line breaks. A short text such as `abcd` counts as binary, as it does there.
 */
export function isBinaryCode(code: string): boolean {
  const text = code.trim();
  return text.length > 0 && text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
}
