/** What a PUT makes of a rule. Pure. Source: `K/controller/Rules.scala`, `C/core/entity/WhiskRule.scala`. */
import type { EntityName, Rule, RuleStatus } from '@tetris/common';
import { z } from 'zod';
import { malformed, RestError } from '../rest-error';
import { TEXTS } from '../texts';
import { readEntityName } from './names';
import { mergePairs, parsedPut, PUT_FIELDS, versionOf } from './put';

const RulePutSchema = z.looseObject({ ...PUT_FIELDS, trigger: z.unknown().optional(), action: z.unknown().optional() });

/** A PUT with the names in it resolved. */
export type RulePut = Pick<z.infer<typeof RulePutSchema>, 'annotations' | 'version' | 'publish'> & {
  trigger?: EntityName | undefined;
  action?: EntityName | undefined;
};

/** @throws RestError 400 */
export function readRulePut(body: unknown, namespace: string): RulePut {
  const { annotations, version, publish, ...put } = parsedPut(RulePutSchema, body);
  const nameOf = (value: unknown): EntityName | undefined => {
    if (value == null) return undefined;
    const name = readEntityName(value, namespace);
    if (name === undefined) throw malformed('fully qualified name malformed');
    return name;
  };
  return { annotations, version, publish, trigger: nameOf(put.trigger), action: nameOf(put.action) };
}

export interface RuleContext {
  namespace: string;
  name: string;
  present: Rule | undefined;
  nowMs: number;
}

/**
 * The rule that a PUT stores; what an update leaves out is kept.
 * @throws RestError 400 where a new one lacks its trigger or its action
 */
export function ruleOf(put: RulePut, { namespace, name, present, nowMs }: RuleContext): Omit<Rule, 'revision'> {
  const trigger = put.trigger ?? present?.trigger;
  const action = put.action ?? present?.action;
  if (trigger === undefined || action === undefined) throw new RestError(400, TEXTS.ruleIncomplete);
  return {
    ...{ namespace, name, trigger, action },
    ...versionOf(put, present),
    annotations: mergePairs(put.annotations ?? present?.annotations ?? []),
    updated: nowMs,
  };
}

const StatusSchema = z.looseObject({ status: z.enum(['active', 'inactive']) });

/** @throws RestError 400 */
export function readStatus(body: unknown): RuleStatus {
  const parsed = StatusSchema.safeParse(body);
  if (parsed.success) return parsed.data.status;
  const { status } = (body ?? {}) as { status?: unknown };
  const shown = typeof status === 'string' ? status : JSON.stringify(status);
  throw malformed(`'${shown}' is not a recognized rule state, must be one of ['active', 'inactive']`);
}

/** A rule as users see it; lists leave its status out. */
export function shownRule(rule: Rule, status?: RuleStatus): object {
  const { namespace, name, trigger, action, version, publish, annotations, updated } = rule;
  return {
    ...{ namespace, name, ...(status === undefined ? {} : { status }) },
    ...{ trigger, action, version, publish, annotations, updated },
  };
}
