/** What a PUT makes of an action. Pure. Source: `K/controller/Actions.scala`, `C/core/entity/WhiskAction.scala`. */
import { type Action, isBinaryCode, type KeyValue, type UserLimits, wrongAnnotations } from '@tetris/common';
import { z } from 'zod';
import { checkedLimits, type SystemLimits } from './limits';
import { KINDS, resolveKind } from './manifest';
import { RestError } from './rest-error';

const KeyValuesSchema = z.array(z.looseObject({ key: z.string().min(1), value: z.unknown() }));

/** The body of a PUT; unknown fields, such as `namespace` and `name`, are ignored. */
const ActionPutSchema = z.looseObject({
  exec: z
    .looseObject({
      kind: z.string(),
      code: z.string().nullish(),
      main: z.string().nullish(),
    })
    .nullish(),
  limits: z
    .looseObject({
      timeout: z.number().nullish(),
      memory: z.number().nullish(),
      logs: z.number().nullish(),
      concurrency: z.number().nullish(),
    })
    .nullish(),
  parameters: KeyValuesSchema.nullish(),
  annotations: KeyValuesSchema.nullish(),
  delAnnotations: z.array(z.string()).nullish(),
  version: z
    .string()
    .regex(/^\d+\.\d+\.\d+$/, 'not a version such as 0.0.1')
    .nullish(),
  publish: z.boolean().nullish(),
});
type ActionPut = z.infer<typeof ActionPutSchema>;

export interface PutContext {
  namespace: string;
  name: string;
  /** The action that is being updated. */
  present?: Action | undefined;
  limits: SystemLimits;
  user: UserLimits;
  nowMs: number;
}

/**
 * The action that a PUT stores: what an update leaves out is kept, annotations are merged, the patch version goes up,
 * `exec` and (on create) `provide-api-key` annotations are added.
 * @throws RestError 400, 403 (kind not allowed), 413 (code, parameters or annotations too large)
 */
export function actionOf(body: unknown, context: PutContext): Omit<Action, 'revision'> {
  const parsed = ActionPutSchema.safeParse(body);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`);
    throw new RestError(400, `The request content was malformed: ${problems.join('; ')}`);
  }
  const put = parsed.data;
  const { present, limits, user } = context;
  const [wrong] = wrongAnnotations(put.annotations ?? []);
  if (wrong !== undefined) throw new RestError(400, `The request content was malformed: ${wrong}.`);
  const exec = put.exec == null ? present?.exec : execOf(put.exec, limits, user);
  if (exec === undefined) throw new RestError(400, 'exec undefined: a new action needs a kind and code.');
  const parameters = put.parameters ?? present?.parameters ?? [];
  const annotations = annotationsOf(put, present, exec.kind);
  checkSize('parameters', parameters, limits.parameterBytesMax);
  checkSize('annotations', annotations, limits.parameterBytesMax);
  return {
    namespace: context.namespace,
    name: context.name,
    version: put.version ?? (present === undefined ? '0.0.1' : nextPatch(present.version)),
    publish: put.publish ?? present?.publish ?? false,
    updated: context.nowMs,
    exec,
    parameters,
    annotations,
    limits: checkedLimits(limits, user, withoutNulls(put.limits ?? {}), present?.limits),
  };
}

function execOf(exec: NonNullable<ActionPut['exec']>, limits: SystemLimits, user: UserLimits): Action['exec'] {
  if (exec.kind === 'sequence') throw new RestError(400, 'standalone has no sequences.');
  const kind = resolveKind(exec.kind);
  if (kind === undefined) {
    throw new RestError(400, `The request content was malformed: kind '${exec.kind}' not in ${KINDS.join(', ')}.`);
  }
  const allowed = user.allowedKinds ?? [];
  if (allowed.length > 0 && !allowed.includes(kind)) {
    throw new RestError(403, `Action kind '${kind}' is not allowed for this namespace, only ${allowed.join(', ')}.`);
  }
  if (exec.code == null) throw new RestError(400, `'code' must be a string defined in 'exec' for '${kind}' actions.`);
  if (Buffer.byteLength(exec.code) > limits.codeBytesMax) {
    throw new RestError(413, tooLarge('action code', Buffer.byteLength(exec.code), limits.codeBytesMax));
  }
  return {
    kind,
    code: exec.code,
    binary: isBinaryCode(exec.code),
    ...(exec.main == null ? {} : { main: exec.main }),
  };
}

function annotationsOf(put: ActionPut, present: Action | undefined, kind: string): KeyValue[] {
  const removed = new Set(put.delAnnotations ?? []);
  const kept = (present?.annotations ?? []).filter(({ key }) => !removed.has(key));
  const added: KeyValue[] = present === undefined ? [{ key: 'provide-api-key', value: false }] : [];
  return mergePairs([...added, ...kept], put.annotations ?? [], [{ key: 'exec', value: kind }]);
}

/** Later pairs replace earlier ones of the same key. */
export function mergePairs(...lists: readonly (readonly KeyValue[])[]): KeyValue[] {
  return [...new Map(lists.flat().map((pair) => [pair.key, pair])).values()];
}

function nextPatch(version: string): string {
  const [major = '0', minor = '0', patch = '0'] = version.split('.');
  return `${major}.${minor}.${Number(patch) + 1}`;
}

function checkSize(what: string, pairs: readonly KeyValue[], bytesMax: number): void {
  const bytes = Buffer.byteLength(JSON.stringify(pairs));
  if (bytes > bytesMax) throw new RestError(413, tooLarge(what, bytes, bytesMax));
}

export const tooLarge = (what: string, bytes: number, bytesMax: number): string =>
  `Request larger than allowed: ${what} of ${bytes} > ${bytesMax} bytes.`;

function withoutNulls(limits: NonNullable<ActionPut['limits']>): Partial<Action['limits']> {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value != null));
}
