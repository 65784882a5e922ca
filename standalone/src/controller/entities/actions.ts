/** What a PUT makes of an action. Pure. Source: `K/controller/Actions.scala`, `C/core/entity/WhiskAction.scala`. */
import {
  type Action,
  type EntityName,
  fullyQualifiedName,
  isBinaryCode,
  type KeyValue,
  type UserLimits,
  wrongAnnotations,
} from '@tetris/common';
import { z } from 'zod';
import { checkedLimits, type SystemLimits } from '../limits';
import { KINDS, resolveKind } from '../manifest';
import { malformed, RestError } from '../rest-error';
import { TEXTS } from '../texts';
import { readEntityName, rootOf } from './names';
import {
  checkSize,
  LARGE_MODELS,
  mergePairs,
  ParametersSchema,
  parsedPut,
  PUT_FIELDS,
  tooLarge,
  versionOf,
} from './put';

/** The kind of actions that run others, one after the other. */
export const SEQUENCE = 'sequence';
const BLACKBOX = 'blackbox';

const ActionPutSchema = z.looseObject({
  ...PUT_FIELDS,
  exec: z
    .looseObject({
      kind: z.string(),
      code: z.string().nullish(),
      main: z.string().nullish(),
      components: z.array(z.unknown()).nullish(),
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
  parameters: ParametersSchema,
  delAnnotations: z.array(z.string()).nullish(),
});
type ActionPut = z.infer<typeof ActionPutSchema>;

export interface PutContext {
  /** `namespace` or `namespace/package`. */
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
  const put = parsedPut(ActionPutSchema, body);
  const { namespace, name, present, limits, user, nowMs } = context;
  const exec = put.exec == null ? present?.exec : execOf(put.exec, context);
  if (exec === undefined) throw new RestError(400, 'exec undefined');
  const [wrong] = wrongAnnotations(put.annotations ?? [], exec.kind);
  if (wrong !== undefined) throw malformed(wrong);
  const parameters = parametersOf(put, exec, present);
  const annotations = annotationsOf(put, present, exec.kind);
  checkSize('parameters', parameters, limits.parameterBytesMax);
  checkSize('annotations', annotations, limits.parameterBytesMax);
  return {
    ...{ namespace, name, exec, parameters, annotations },
    ...versionOf(put, present),
    updated: nowMs,
    limits: checkedLimits(limits, user, withoutNulls(put.limits ?? {}), present?.limits),
  };
}

/** The actions that a sequence runs. */
export function componentsOf({ exec, namespace }: Pick<Action, 'exec' | 'namespace'>): EntityName[] | undefined {
  if (exec.kind !== SEQUENCE) return undefined;
  return (exec.components ?? []).flatMap((component) => readEntityName(component, rootOf(namespace)) ?? []);
}

function execOf(exec: NonNullable<ActionPut['exec']>, { namespace, limits, user }: PutContext): Action['exec'] {
  const wanted = exec.kind.trim().toLowerCase();
  checkKindIsServed(wanted);
  const kind = wanted === SEQUENCE ? SEQUENCE : (resolveKind(wanted) ?? wanted);
  const allowed = user.allowedKinds ?? [];
  if (allowed.length > 0 && !allowed.includes(kind)) {
    throw new RestError(403, `Action kind '${kind}' is not allowed for this namespace, only ${allowed.join(', ')}.`);
  }
  if (kind === SEQUENCE)
    return { kind, binary: false, components: sequenceComponents(exec.components, rootOf(namespace)) };
  if (exec.code == null) throw malformed(`'code' must be a string defined in 'exec' for '${kind}' actions`);
  const bytes = Buffer.byteLength(exec.code);
  if (bytes > limits.codeBytesMax) {
    throw new RestError(413, `${tooLarge('code', bytes, limits.codeBytesMax)} ${LARGE_MODELS}`);
  }
  return {
    kind,
    code: exec.code,
    binary: isBinaryCode(exec.code),
    ...(exec.main == null ? {} : { main: exec.main }),
  };
}

function checkKindIsServed(kind: string): void {
  if (kind === BLACKBOX) {
    throw malformed(`standalone runs no Docker images; the kinds it has are ${KINDS.join(', ')}.`);
  }
  if (kind === SEQUENCE || resolveKind(kind) !== undefined) return;
  const kinds = [...KINDS, SEQUENCE].map((one) => `'${one}'`).join(', ');
  throw malformed(`The specified runtime '${kind}' is not supported by this platform. Valid values are: ${kinds}.`);
}

/** Components as OpenWhisk keeps them: `/namespace[/package]/name`. */
function sequenceComponents(components: readonly unknown[] | null | undefined, namespace: string): string[] {
  if (components == null) throw malformed("'components' must be defined for sequence kind");
  if (components.length === 0) throw new RestError(400, TEXTS.sequenceEmpty);
  return components.map((component) => {
    const name = readEntityName(component, namespace);
    if (name === undefined) throw malformed('fully qualified name malformed');
    return `/${fullyQualifiedName(name)}`;
  });
}

/** A sequence's only parameter says what it runs; it is no parameter of what takes the sequence's place. */
function parametersOf(put: ActionPut, exec: Action['exec'], present: Action | undefined): KeyValue[] {
  if (exec.kind === SEQUENCE) return [{ key: '_actions', value: exec.components ?? [] }];
  return mergePairs(put.parameters ?? (present?.exec.kind === SEQUENCE ? [] : (present?.parameters ?? [])));
}

function annotationsOf(put: ActionPut, present: Action | undefined, kind: string): KeyValue[] {
  const removed = new Set(put.delAnnotations ?? []);
  const kept = (present?.annotations ?? []).filter(({ key }) => !removed.has(key));
  const added: KeyValue[] = present === undefined ? [{ key: 'provide-api-key', value: false }] : [];
  return mergePairs([...added, ...kept], put.annotations ?? [], [{ key: 'exec', value: kind }]);
}

function withoutNulls(limits: NonNullable<ActionPut['limits']>): Partial<Action['limits']> {
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value != null));
}
