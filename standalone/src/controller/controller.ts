import {
  type Action,
  type Activation,
  type EntityStore,
  type Identity,
  isPluginError,
  type TransactionId,
} from '@tetris/common';
import { actionOf } from './actions';
import type { ShardingBalancer } from './balancer/sharding-balancer';
import { type Subject, identityOf } from './identities';
import { activationMessage, awaitRecord, checkedPayload } from './invocation';
import type { SystemLimits } from './limits';
import { RestError } from './rest-error';
import { checkConcurrency, RateThrottle } from './throttle';

export interface ControllerOptions {
  /** Names the `completed` topic. */
  id: string;
  store: EntityStore;
  balancer: ShardingBalancer;
  limits: SystemLimits;
  /** Epoch ms. */
  now: () => number;
}

export interface InvokeOptions {
  blocking: boolean;
  /** Longest wait of a blocking call. */
  waitMs: number;
  transid: TransactionId;
}

/** `record` is absent for a non-blocking call, and for a blocking one that took too long. */
export interface Invoked {
  activationId: string;
  record?: Activation;
}

/** What the API does, without HTTP. Every method throws {@link RestError} or the store's PluginErrors. */
export class Controller {
  readonly limits: SystemLimits;
  readonly store: EntityStore;
  readonly balancer: ShardingBalancer;
  readonly #options: ControllerOptions;
  readonly #rate = new RateThrottle();

  constructor(options: ControllerOptions) {
    this.#options = options;
    this.limits = options.limits;
    this.store = options.store;
    this.balancer = options.balancer;
  }

  async identity(subject: Subject): Promise<Identity> {
    return identityOf(subject, await this.store.getLimits(subject.name));
  }

  async putAction(user: Identity, name: string, body: unknown, overwrite: boolean): Promise<Action> {
    const namespace = user.namespace.name;
    const present = await this.#present(`${namespace}/${name}`);
    if (present !== undefined && !overwrite) throw new RestError(409, 'resource already exists');
    const nowMs = this.#options.now();
    const action = actionOf(body, { namespace, name, present, limits: this.limits, user: user.limits, nowMs });
    return this.store.putAction(action, present?.revision);
  }

  async deleteAction(user: Identity, name: string): Promise<Action> {
    const id = `${user.namespace.name}/${name}`;
    const action = await this.store.getAction(id);
    await this.store.deleteAction(id, action.revision);
    return action;
  }

  async invoke(user: Identity, name: string, body: unknown, options: InvokeOptions): Promise<Invoked> {
    const namespace = user.namespace.name;
    const { blocking, transid, waitMs } = options;
    const action = await this.store.getAction(`${namespace}/${name}`);
    const payload = checkedPayload(body, action, this.limits.payloadBytesMax);
    this.#throttle(user);
    const message = activationMessage({ action, user, transid, controller: this.#options.id, blocking, payload });
    const sent = await this.balancer.publish({ message, limits: action.limits });
    const { activationId } = sent;
    if (!blocking) return { activationId };
    const record = await awaitRecord(sent, this.store, namespace, waitMs);
    return record === undefined ? { activationId } : { activationId, record };
  }

  #throttle({ namespace: { name }, limits }: Identity): void {
    const { concurrentInvocations, invocationsPerMinute } = this.limits;
    checkConcurrency(this.balancer.countOf(name), limits.concurrentInvocations ?? concurrentInvocations);
    this.#rate.check(name, limits.invocationsPerMinute ?? invocationsPerMinute, this.#options.now());
  }

  async #present(id: string): Promise<Action | undefined> {
    try {
      return await this.store.getAction(id);
    } catch (error) {
      if (isPluginError(error, 'ERR_DOCUMENT_NOT_FOUND')) return undefined;
      throw error;
    }
  }
}
