import {
  type Action,
  bindingOf,
  type EntityName,
  type EntityStore,
  fullyQualifiedName,
  type Identity,
} from '@tetris/common';
import { type Access, requireOwner } from '../access';
import type { Activations } from '../activation/activations';
import { type Call, checkedPayload, type RunnableAction } from '../activation/message';
import type { Invoked } from '../activation/single-actions';
import { actionOf, componentsOf } from '../entities/actions';
import { isInPackage } from '../entities/names';
import type { SystemLimits } from '../limits';
import type { Resolution } from '../resolution';
import { ifThere, RestError } from '../rest-error';
import { TEXTS } from '../texts';
import type { Throttles } from '../throttles';
import type { Asker } from './requests';
import { checkSequence } from './sequence-check';

export interface ActionResourceOptions {
  store: EntityStore;
  access: Access;
  resolution: Resolution;
  activations: Activations;
  throttles: Throttles;
  limits: SystemLimits;
  now: () => number;
}

/** Actions, in packages and outside. Methods throw {@link RestError} or the store's PluginErrors. */
export class ActionResource {
  readonly #options: ActionResourceOptions;

  constructor(options: ActionResourceOptions) {
    this.#options = options;
  }

  async put(user: Identity, name: EntityName, body: unknown, overwrite: boolean): Promise<Action> {
    const { store, limits, now } = this.#options;
    await this.#requireWritable(user, name);
    const present = await ifThere(store.getAction(fullyQualifiedName(name)));
    const context = { namespace: name.path, name: name.name, present, limits, user: user.limits, nowMs: now() };
    const action = actionOf(body, context);
    await checkSequence(this.#options, user, name, componentsOf(action));
    if (present !== undefined && !overwrite) throw new RestError(409, TEXTS.exists);
    return store.putAction(action, present?.revision);
  }

  /** With the parameters that it inherits. */
  async get(user: Identity, name: EntityName): Promise<Action> {
    await this.#options.access.requireAction(user, name);
    return this.#options.resolution.action(name);
  }

  async delete(user: Identity, name: EntityName): Promise<Action> {
    await this.#requireWritable(user, name);
    const id = fullyQualifiedName(name);
    const action = await this.#options.store.getAction(id);
    await this.#options.store.deleteAction(id, action.revision);
    return action;
  }

  /** @param waitMs undefined: does not wait */
  async invoke(asker: Asker, name: EntityName, body: unknown, waitMs: number | undefined): Promise<Invoked> {
    const { activations, limits } = this.#options;
    const action = await this.runnable(asker.user, name);
    const payload = checkedPayload(body, action, limits.payloadBytesMax);
    const call: Call = { action, payload, ...asker };
    return waitMs === undefined ? activations.start(call) : activations.invoke(call, waitMs);
  }

  /**
   * An action that may be run now; what a sequence consists of is looked at too. Counts against the limits.
   * @throws RestError 403, 404, 429
   */
  async runnable(user: Identity, name: EntityName): Promise<RunnableAction> {
    const { access, resolution, throttles } = this.#options;
    // First, as stock has it: a request too many costs no look into the store.
    throttles.checkInvocation(user, fullyQualifiedName(name));
    await access.requireAction(user, name);
    const action = await resolution.action(name);
    for (const component of componentsOf(action) ?? []) await access.requireAction(user, component);
    return action;
  }

  /** One's own namespace, and in it a package that is none in name only. */
  async #requireWritable(user: Identity, name: EntityName): Promise<void> {
    requireOwner(user, name.path, fullyQualifiedName(name));
    if (!isInPackage(name)) return;
    const parent = await this.#options.store.getEntity('package', name.path);
    if (bindingOf(parent) !== undefined) throw new RestError(400, TEXTS.notOnBinding);
  }
}
