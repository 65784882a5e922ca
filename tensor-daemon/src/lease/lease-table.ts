/**
 * Who holds which model. Pure: no I/O, time passed in; the caller carries out the returned effects.
 *
 *     lease       pending --bound--> bound --granted--> held
 *                    \                 \                  \
 *                     +-----------------+-- ended ---------+--> (gone)
 *     instance    registered (announced by the operator; lives until released)
 *                 anonymous  (made by its first lease; goes with its last)
 *                 unconfirmed (registered before a restart; goes when its time is up unless announced again)
 *
 * | lease \ event | bound | granted | ended | instance released | restart |
 * | --- | --- | --- | --- | --- | --- |
 * | (none)  | ignored | ignored | ignored | ignored | - |
 * | pending | bound: its view counts as used | ignored | gone | gone | gone |
 * | bound   | ignored | held | gone, view dropped if last | gone, view dropped | view retained if registered, else dropped |
 * | held    | ignored | ignored | gone, view dropped if last | gone, view dropped | view retained if registered, else dropped |
 *
 * A view is used by the leases of one instance on one model that are bound or held, and by being *retained* until a
 * lease takes it over, the operator releases the instance, or its grace is over. Retained are the views of registered
 * instances after a restart, when the connections are gone but the instances behind them may live on, and views that
 * are prepared for an instance that starts.
 */
import { PluginError } from '@tetris/common';

export type LeaseState = 'pending' | 'bound' | 'held';

export interface LeaseEntry {
  readonly leaseId: string;
  readonly instance: string;
  readonly name: string;
  /** Epoch ms. */
  readonly sinceMs: number;
  state: LeaseState;
  /** Set from `bound` on. */
  modelKey?: string;
}

export type InstanceState = 'registered' | 'anonymous' | 'unconfirmed';

export interface InstanceEntry {
  readonly instance: string;
  namespace: string;
  state: InstanceState;
  /** Epoch ms at which an unconfirmed instance goes. */
  deadlineMs: number;
  readonly leases: Map<string, LeaseEntry>;
  /** Models whose views outlived a restart or were prepared, and that no lease has taken over yet. */
  readonly retained: Set<string>;
}

/** A view, by what its path is made of. */
export interface ViewId {
  instance: string;
  modelKey: string;
}

/** What the caller has to do. */
export interface Effects {
  /** Connections to end. */
  endLeases: string[];
  dropViews: ViewId[];
  /** Instances that are gone: their folders go too. */
  dropInstances: string[];
}

export interface LeaseLimits {
  leasesMax: number;
  leasesPerInstanceMax: number;
  /** Leases of all instances that the operator has registered for one namespace. */
  leasesPerNamespaceMax: number;
  /** Distinct models that those hold. */
  modelsPerNamespaceMax: number;
  instancesMax: number;
}

export class LeaseTable {
  readonly #limits: LeaseLimits;
  readonly #leases = new Map<string, LeaseEntry>();
  readonly #instances = new Map<string, InstanceEntry>();
  /** Uses of each model by bound and held leases and by retained views. */
  readonly #modelUses = new Map<string, number>();

  constructor(limits: LeaseLimits) {
    this.#limits = limits;
  }

  get leaseCount(): number {
    return this.#leases.size;
  }

  get instanceCount(): number {
    return this.#instances.size;
  }

  lease(leaseId: string): LeaseEntry | undefined {
    return this.#leases.get(leaseId);
  }

  leases(): Iterable<LeaseEntry> {
    return this.#leases.values();
  }

  instance(token: string): InstanceEntry | undefined {
    return this.#instances.get(token);
  }

  instances(): Iterable<InstanceEntry> {
    return this.#instances.values();
  }

  /** Announces an instance; an anonymous or unconfirmed one becomes registered. @throws `ERR_LEASE_LIMIT` */
  register(token: string, namespace: string): InstanceEntry {
    const entry = this.#instances.get(token) ?? this.#addInstance(token, namespace, 'registered');
    entry.namespace = namespace;
    entry.state = 'registered';
    return entry;
  }

  /**
   * An instance that was registered before a restart, with the views that were found. It is there whatever bound holds
   * now: a lowered one keeps out new ones.
   */
  recover(token: string, namespace: string, modelKeys: Iterable<string>, deadlineMs: number): void {
    const entry = this.#insert(token, namespace, 'unconfirmed');
    entry.deadlineMs = deadlineMs;
    for (const modelKey of modelKeys) {
      entry.retained.add(modelKey);
      this.#use(modelKey, 1);
    }
  }

  /** A lease of this model is expected. @returns false where the instance is unknown, or has the model's view already */
  retain({ instance, modelKey }: ViewId): boolean {
    const entry = this.#instances.get(instance);
    if (entry === undefined || this.viewInUse({ instance, modelKey })) return false;
    entry.retained.add(modelKey);
    this.#use(modelKey, 1);
    return true;
  }

  /** A lease is wanted. @throws `ERR_LEASE_LIMIT` where a bound is hit */
  request(leaseId: string, wanted: { instance: string; namespace: string; name: string }, nowMs: number): LeaseEntry {
    const { leasesMax, leasesPerInstanceMax } = this.#limits;
    if (this.#leases.size >= leasesMax) throw limit(`all ${leasesMax} leases are taken`);
    const known = this.#instances.get(wanted.instance);
    if (known !== undefined && known.leases.size >= leasesPerInstanceMax) {
      throw limit(`the instance holds ${leasesPerInstanceMax} leases, the limit`);
    }
    const { leasesPerNamespaceMax } = this.#limits;
    const namespace = this.namespaceOf(wanted.instance);
    if (namespace !== '' && this.#leasesOf(namespace).length >= leasesPerNamespaceMax) {
      throw limit(`the namespace holds ${leasesPerNamespaceMax} leases, the limit`);
    }
    const entry = known ?? this.#addInstance(wanted.instance, wanted.namespace, 'anonymous');
    if (entry.state === 'unconfirmed') entry.state = 'registered';
    const lease: LeaseEntry = {
      leaseId,
      instance: entry.instance,
      name: wanted.name,
      sinceMs: nowMs,
      state: 'pending',
    };
    entry.leases.set(leaseId, lease);
    this.#leases.set(leaseId, lease);
    return lease;
  }

  /**
   * The model of a pending lease is known: from here on it must stay, and so must its view.
   * @returns whether it applied
   * @throws `ERR_LEASE_LIMIT` where the namespace holds too many models
   */
  bind(leaseId: string, modelKey: string): boolean {
    const lease = this.#leases.get(leaseId);
    if (lease?.state !== 'pending') return false;
    this.#checkModels(this.namespaceOf(lease.instance), modelKey);
    lease.state = 'bound';
    lease.modelKey = modelKey;
    this.#use(modelKey, 1);
    if (this.#instances.get(lease.instance)?.retained.delete(modelKey) === true) this.#use(modelKey, -1);
    return true;
  }

  /** The view is made. @returns false where the lease has ended meanwhile */
  grant(leaseId: string): boolean {
    const lease = this.#leases.get(leaseId);
    if (lease?.state !== 'bound') return false;
    lease.state = 'held';
    return true;
  }

  /** A lease ended, by its holder's will or death, or it failed. Idempotent. */
  end(leaseId: string): Effects {
    const effects = noEffects();
    const lease = this.#leases.get(leaseId);
    if (lease === undefined) return effects;
    const instance = this.#instances.get(lease.instance);
    this.#leases.delete(leaseId);
    instance?.leases.delete(leaseId);
    if (lease.modelKey !== undefined) {
      this.#use(lease.modelKey, -1);
      const view = { instance: lease.instance, modelKey: lease.modelKey };
      if (!this.viewInUse(view)) effects.dropViews.push(view);
    }
    if (instance?.state === 'anonymous' && instance.leases.size === 0) {
      this.#instances.delete(instance.instance);
      effects.dropInstances.push(instance.instance);
    }
    return effects;
  }

  /** The operator releases an instance, whatever it holds. Idempotent. */
  releaseInstance(token: string): Effects {
    const effects = noEffects();
    const instance = this.#instances.get(token);
    if (instance === undefined) return effects;
    const modelKeys = new Set(instance.retained);
    for (const modelKey of instance.retained) this.#use(modelKey, -1);
    for (const { leaseId, modelKey } of instance.leases.values()) {
      this.#leases.delete(leaseId);
      effects.endLeases.push(leaseId);
      if (modelKey === undefined) continue;
      this.#use(modelKey, -1);
      modelKeys.add(modelKey);
    }
    this.#instances.delete(token);
    effects.dropViews.push(...[...modelKeys].map((modelKey) => ({ instance: token, modelKey })));
    effects.dropInstances.push(token);
    return effects;
  }

  /** Time has passed: instances that nobody announced again go. */
  expire(nowMs: number): Effects {
    const effects = noEffects();
    for (const { instance, state, deadlineMs } of [...this.#instances.values()]) {
      if (state !== 'unconfirmed' || deadlineMs > nowMs) continue;
      const { endLeases, dropViews, dropInstances } = this.releaseInstance(instance);
      effects.endLeases.push(...endLeases);
      effects.dropViews.push(...dropViews);
      effects.dropInstances.push(...dropInstances);
    }
    return effects;
  }

  /** The namespace that the operator vouches for; empty where nobody does. */
  namespaceOf(token: string | undefined): string {
    const entry = token === undefined ? undefined : this.#instances.get(token);
    return entry === undefined || entry.state === 'anonymous' ? '' : entry.namespace;
  }

  #leasesOf(namespace: string): LeaseEntry[] {
    return [...this.#instances.values()]
      .filter((entry) => entry.namespace === namespace && entry.state !== 'anonymous')
      .flatMap(({ leases }) => [...leases.values()]);
  }

  #checkModels(namespace: string, modelKey: string): void {
    const { modelsPerNamespaceMax } = this.#limits;
    if (namespace === '') return;
    const models = new Set(this.#leasesOf(namespace).map((lease) => lease.modelKey));
    models.delete(undefined);
    if (models.has(modelKey) || models.size < modelsPerNamespaceMax) return;
    throw limit(`the namespace holds ${modelsPerNamespaceMax} models, the limit`);
  }

  viewInUse({ instance, modelKey }: ViewId): boolean {
    const entry = this.#instances.get(instance);
    if (entry === undefined) return false;
    return entry.retained.has(modelKey) || [...entry.leases.values()].some((lease) => lease.modelKey === modelKey);
  }

  /** Uses of a model: while there is one, it must not be reclaimed. */
  modelUses(modelKey: string): number {
    return this.#modelUses.get(modelKey) ?? 0;
  }

  #addInstance(instance: string, namespace: string, state: InstanceState): InstanceEntry {
    const { instancesMax } = this.#limits;
    if (this.#instances.size >= instancesMax) throw limit(`all ${instancesMax} instances are taken`);
    return this.#insert(instance, namespace, state);
  }

  #insert(instance: string, namespace: string, state: InstanceState): InstanceEntry {
    const entry = {
      instance,
      namespace,
      state,
      deadlineMs: 0,
      leases: new Map<string, LeaseEntry>(),
      retained: new Set<string>(),
    };
    this.#instances.set(instance, entry);
    return entry;
  }

  #use(modelKey: string, by: 1 | -1): void {
    const uses = this.modelUses(modelKey) + by;
    if (uses > 0) this.#modelUses.set(modelKey, uses);
    else this.#modelUses.delete(modelKey);
  }
}

function noEffects(): Effects {
  return { endLeases: [], dropViews: [], dropInstances: [] };
}

function limit(reason: string): PluginError {
  return new PluginError('ERR_LEASE_LIMIT', reason, { retriable: true });
}
