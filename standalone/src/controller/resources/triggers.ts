import {
  type Activation,
  type EntityStore,
  fullyQualifiedName,
  type Identity,
  newActivationId,
  STATUS,
  type StatusCode,
  type Trigger,
} from '@tetris/common';
import { requireOwner } from '../access';
import type { Activations } from '../activation/activations';
import { payloadOf } from '../activation/message';
import { triggerOf } from '../entities/triggers';
import type { SystemLimits } from '../limits';
import { asRestError, ifThere, malformed, RestError } from '../rest-error';
import { TEXTS } from '../texts';
import type { Throttles } from '../throttles';
import type { ActionResource } from './actions';
import { type Asker, idOf, type Target } from './requests';

export interface TriggerResourceOptions {
  store: EntityStore;
  actions: ActionResource;
  activations: Activations;
  throttles: Throttles;
  limits: SystemLimits;
  now: () => number;
}

/** What became of a rule, as a trigger's record tells it in its logs. */
interface RuleResult {
  statusCode: StatusCode;
  success: boolean;
  activationId?: string;
  error?: string;
  rule: string;
  action: string;
}

type LinkedRule = NonNullable<Trigger['rules']>[string];

/** Triggers. Methods throw {@link RestError} or the store's PluginErrors. */
export class TriggerResource {
  readonly #options: TriggerResourceOptions;

  constructor(options: TriggerResourceOptions) {
    this.#options = options;
  }

  async put(user: Identity, target: Target, body: unknown, overwrite: boolean): Promise<Trigger> {
    const { store, limits, now } = this.#options;
    requireOwner(user, target.namespace, idOf(target));
    const present = await ifThere(store.getEntity('trigger', idOf(target)));
    if (present !== undefined && !overwrite) throw new RestError(409, TEXTS.exists);
    const { parameterBytesMax } = limits;
    const next = triggerOf(body, { ...target, present, parameterBytesMax, nowMs: now() });
    return store.putEntity('trigger', next, present?.revision);
  }

  async get(user: Identity, target: Target): Promise<Trigger> {
    requireOwner(user, target.namespace, idOf(target));
    return this.#options.store.getEntity('trigger', idOf(target));
  }

  /** Its rules stay, without effect. */
  async delete(user: Identity, target: Target): Promise<Trigger> {
    const trigger = await this.get(user, target);
    await this.#options.store.deleteEntity('trigger', idOf(target), trigger.revision);
    return trigger;
  }

  /**
   * Starts the actions of its active rules with the trigger's parameters, the request's headers and its body.
   * @returns id of the trigger's own record, which is kept by then; undefined where no rule is active: nothing is kept
   */
  async fire(
    asker: Asker,
    target: Target,
    body: unknown,
    headers: Readonly<Record<string, string>>,
  ): Promise<string | undefined> {
    const { limits, throttles, activations, now } = this.#options;
    const { user } = asker;
    requireOwner(user, target.namespace, idOf(target));
    throttles.checkFire(user);
    const payload = payloadOf(body, limits.payloadBytesMax);
    if (Array.isArray(payload)) throw malformed('Object expected');
    const trigger = await this.get(user, target);
    const rules = Object.entries(trigger.rules ?? {});
    if (!rules.some(([, { status }]) => status === 'active')) return undefined;
    const own = Object.fromEntries(trigger.parameters.map(({ key, value }) => [key, value]));
    const args = { ...own, __ow_headers: headers, ...payload };
    const startMs = now();
    const results = await Promise.all(rules.map(([name, rule]) => this.#apply(asker, name, rule, args)));
    const record = firedRecord(user, trigger, payload, results, startMs);
    activations.record({ user }, record);
    return record.activationId;
  }

  async #apply(asker: Asker, rule: string, { action, status }: LinkedRule, args: object): Promise<RuleResult> {
    const names = { rule, action: fullyQualifiedName(action) };
    if (status !== 'active') {
      const error = TEXTS.ruleInactive(rule, names.action);
      return { ...names, statusCode: STATUS.applicationError, success: false, error };
    }
    try {
      const { activationId } = await this.#options.actions.invoke(asker, action, args, undefined);
      return { ...names, statusCode: STATUS.success, success: true, activationId };
    } catch (error) {
      const { status: code, message } = asRestError(error);
      const statusCode = code >= 500 ? STATUS.whiskError : STATUS.applicationError;
      return { ...names, statusCode, success: false, error: message };
    }
  }
}

/** The record of a fired trigger: it has no end, its result is what it was fired with. */
function firedRecord(
  user: Identity,
  trigger: Trigger,
  payload: object,
  results: readonly RuleResult[],
  startMs: number,
): Activation {
  return {
    namespace: user.namespace.name,
    name: trigger.name,
    subject: user.subject,
    activationId: newActivationId(),
    start: startMs,
    end: 0,
    response: { statusCode: STATUS.success, result: payload },
    logs: results.map((result) => JSON.stringify(result)),
    version: trigger.version,
    publish: false,
    annotations: [],
  };
}
