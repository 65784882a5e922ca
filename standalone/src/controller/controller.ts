import type { EntityStore, Identity, Logger } from '@tetris/common';
import { Access } from './access';
import { Activations } from './activation/activations';
import type { ShardingBalancer } from './balancer/sharding-balancer';
import { type Identities, identityOf, type Subject } from './identities';
import type { SystemLimits } from './limits';
import { Resolution } from './resolution';
import { ActionResource } from './resources/actions';
import { PackageResource } from './resources/packages';
import { RuleResource } from './resources/rules';
import { TriggerResource } from './resources/triggers';
import { WebActionResource } from './resources/web-actions';
import { type IsSurplus, Throttles } from './throttles';

export interface ControllerOptions {
  /** Names the `completed` topic. */
  id: string;
  store: EntityStore;
  balancer: ShardingBalancer;
  identities: Identities;
  limits: SystemLimits;
  /** @default never */
  isSurplus?: IsSurplus;
  log: Logger;
  /** Epoch ms. */
  now: () => number;
}

/** What the API does, without HTTP. Every method throws `RestError` or the store's PluginErrors. */
export class Controller {
  readonly limits: SystemLimits;
  readonly store: EntityStore;
  readonly balancer: ShardingBalancer;
  readonly actions: ActionResource;
  readonly packages: PackageResource;
  readonly triggers: TriggerResource;
  readonly rules: RuleResource;
  readonly webActions: WebActionResource;
  readonly #identities: Identities;

  constructor(options: ControllerOptions) {
    const { id, store, balancer, identities, limits, isSurplus = () => false, now } = options;
    this.limits = limits;
    this.store = store;
    this.balancer = balancer;
    this.#identities = identities;
    const resolution = new Resolution(store);
    const access = new Access(store);
    const throttles = new Throttles(limits, { balancer, isSurplus, now });
    const { sequenceActionsMax: actionsMax, recordWaitMs } = limits;
    const activations = new Activations({ ...options, controller: id, resolution, access, actionsMax, recordWaitMs });
    const parts = { ...options, resolution, access, throttles, activations };
    this.actions = new ActionResource(parts);
    this.packages = new PackageResource(parts);
    this.triggers = new TriggerResource({ ...parts, actions: this.actions });
    this.rules = new RuleResource(parts);
    this.webActions = new WebActionResource({
      ...parts,
      actions: this.actions,
      identityOf: (namespace) => this.#identityOfNamespace(namespace),
    });
  }

  /** Who has the key of an `Authorization` header; undefined for a header that is missing or wrong. */
  async authenticate(header: string | undefined): Promise<Identity | undefined> {
    return this.#identity(this.#identities.authenticate(header));
  }

  #identityOfNamespace(namespace: string): Promise<Identity | undefined> {
    return this.#identity(this.#identities.named(namespace));
  }

  async #identity(subject: Subject | undefined): Promise<Identity | undefined> {
    return subject === undefined ? undefined : identityOf(subject, await this.store.getLimits(subject.name));
  }
}
