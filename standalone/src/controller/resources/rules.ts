import {
  type EntityName,
  type EntityStore,
  fullyQualifiedName,
  type Identity,
  type Rule,
  type RuleStatus,
  type Trigger,
} from '@tetris/common';
import { type Access, requireOwner } from '../access';
import { readRulePut, readStatus, ruleOf } from '../entities/rules';
import { statusOfRule, withoutRule, withRule } from '../entities/triggers';
import type { Resolution } from '../resolution';
import { ifThere, RestError } from '../rest-error';
import { TEXTS } from '../texts';
import { idOf, type Target } from './requests';

export interface RuleResourceOptions {
  store: EntityStore;
  access: Access;
  resolution: Resolution;
  now: () => number;
}

export interface RuleWithStatus {
  rule: Rule;
  status: RuleStatus;
}

/**
 * Rules: a trigger holds a link to each of its rules, with the status, so that firing reads one document. Methods throw
 * {@link RestError} or the store's PluginErrors.
 */
export class RuleResource {
  readonly #options: RuleResourceOptions;

  constructor(options: RuleResourceOptions) {
    this.#options = options;
  }

  async put(user: Identity, target: Target, body: unknown, overwrite: boolean): Promise<RuleWithStatus> {
    const { store, access, now } = this.#options;
    requireOwner(user, target.namespace, idOf(target));
    const put = readRulePut(body, target.namespace);
    if (put.trigger !== undefined) requireOwner(user, put.trigger.path, fullyQualifiedName(put.trigger));
    if (put.action !== undefined) await access.requireAction(user, put.action);
    const present = await ifThere(store.getEntity('rule', idOf(target)));
    if (present !== undefined && !overwrite) throw new RestError(409, TEXTS.exists);
    const next = ruleOf(put, { ...target, present, nowMs: now() });
    await this.#requireParts(next);
    const status = await this.#relink(idOf(target), present, next);
    return { rule: await store.putEntity('rule', next, present?.revision), status };
  }

  async get(user: Identity, target: Target): Promise<RuleWithStatus> {
    requireOwner(user, target.namespace, idOf(target));
    const rule = await this.#options.store.getEntity('rule', idOf(target));
    return { rule, status: statusOfRule(await this.#trigger(rule.trigger), idOf(target)) };
  }

  /** Enables or disables it. */
  async setStatus(user: Identity, target: Target, body: unknown): Promise<void> {
    const wanted = readStatus(body);
    const { rule, status } = await this.get(user, target);
    if (status === wanted) return;
    const trigger = await this.#trigger(rule.trigger);
    if (trigger === undefined) throw new RestError(404, TEXTS.triggerGone);
    await this.#putTrigger(withRule(trigger, idOf(target), rule.action, wanted));
  }

  async delete(user: Identity, target: Target): Promise<RuleWithStatus> {
    const { rule } = await this.get(user, target);
    await this.#unlink(rule.trigger, idOf(target));
    await this.#options.store.deleteEntity('rule', idOf(target), rule.revision);
    return { rule, status: 'inactive' };
  }

  /** New rules are active; updated ones keep their status, also under another trigger. */
  async #relink(id: string, present: Rule | undefined, next: Omit<Rule, 'revision'>): Promise<RuleStatus> {
    const before = present === undefined ? undefined : await this.#trigger(present.trigger);
    const status = present === undefined ? 'active' : statusOfRule(before, id);
    if (present !== undefined && fullyQualifiedName(present.trigger) !== fullyQualifiedName(next.trigger)) {
      await this.#unlink(present.trigger, id);
    }
    const trigger = await this.#options.store.getEntity('trigger', fullyQualifiedName(next.trigger));
    await this.#putTrigger(withRule(trigger, id, next.action, status));
    return status;
  }

  async #unlink(name: EntityName, id: string): Promise<void> {
    const trigger = await this.#trigger(name);
    if (trigger?.rules?.[id] !== undefined) await this.#putTrigger(withoutRule(trigger, id));
  }

  async #requireParts({ trigger, action }: Omit<Rule, 'revision'>): Promise<void> {
    const { resolution } = this.#options;
    const missing = (what: string, name: EntityName): RestError =>
      new RestError(400, `${what} /${fullyQualifiedName(name)} does not exist`);
    if ((await this.#trigger(trigger)) === undefined) throw missing('trigger', trigger);
    if ((await ifThere(resolution.action(action))) === undefined) throw missing('action', action);
  }

  #trigger(name: EntityName): Promise<Trigger | undefined> {
    return ifThere(this.#options.store.getEntity('trigger', fullyQualifiedName(name)));
  }

  /** At the revision that was read: another who writes it meanwhile makes this a conflict. */
  async #putTrigger(trigger: Trigger): Promise<void> {
    await this.#options.store.putEntity('trigger', trigger, trigger.revision);
  }
}
