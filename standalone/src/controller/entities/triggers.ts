/**
 * What a PUT makes of a trigger, and its rules. Pure. Source: `K/controller/Triggers.scala`,
 * `C/core/entity/WhiskTrigger.scala`.
 */
import { type EntityName, type RuleStatus, type Trigger, valueOf } from '@tetris/common';
import { z } from 'zod';
import { RestError } from '../rest-error';
import { TEXTS } from '../texts';
import { isEntityPath } from './names';
import { checkSize, mergePairs, ParametersSchema, parsedPut, PUT_FIELDS, versionOf } from './put';

const TriggerPutSchema = z.looseObject({ ...PUT_FIELDS, parameters: ParametersSchema });

export interface TriggerContext {
  namespace: string;
  name: string;
  present: Trigger | undefined;
  parameterBytesMax: number;
  nowMs: number;
}

/**
 * The trigger that a PUT stores: what an update leaves out is kept, its rules too.
 * @throws RestError 400, also where the annotation `feed` of a new one names nothing; 413
 */
export function triggerOf(body: unknown, context: TriggerContext): Omit<Trigger, 'revision'> {
  const put = parsedPut(TriggerPutSchema, body);
  const { namespace, name, present, nowMs, parameterBytesMax } = context;
  const parameters = mergePairs(put.parameters ?? present?.parameters ?? []);
  const annotations = mergePairs(put.annotations ?? present?.annotations ?? []);
  const feed = valueOf(annotations, 'feed');
  if (present === undefined && feed !== undefined && !(typeof feed === 'string' && isEntityPath(feed))) {
    throw new RestError(400, TEXTS.feedNameInvalid);
  }
  checkSize('parameters', parameters, parameterBytesMax);
  checkSize('annotations', annotations, parameterBytesMax);
  return {
    ...{ namespace, name, parameters, limits: {} },
    ...versionOf(put, present),
    annotations,
    ...(present?.rules === undefined ? {} : { rules: present.rules }),
    updated: nowMs,
  };
}

/** The trigger with a rule, by `namespace/name`, added or replaced. */
export function withRule(trigger: Trigger, rule: string, action: EntityName, status: RuleStatus): Trigger {
  return { ...trigger, rules: { ...trigger.rules, [rule]: { action, status } } };
}

export function withoutRule(trigger: Trigger, rule: string): Trigger {
  const others = Object.entries(trigger.rules ?? {}).filter(([name]) => name !== rule);
  return { ...trigger, rules: Object.fromEntries(others) };
}

/** Also where the trigger is gone, or knows nothing of the rule. */
export const statusOfRule = (trigger: Trigger | undefined, rule: string): RuleStatus =>
  trigger?.rules?.[rule]?.status ?? 'inactive';

/** An entry of a list. */
export function triggerSummary({ namespace, name, version, publish, annotations, updated }: Trigger): object {
  return { namespace, name, version, publish, annotations, updated };
}
