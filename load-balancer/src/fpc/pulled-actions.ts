/** The actions that are pulled here, each as one container to its scheduler. */
import type { Etcd, LeasedKeys, Logger } from '@tetris/common';
import { ActionPulls, type PullRules, type StopReason } from './action-pulls';
import { addressOf, type EtcdKeys, type PulledAction } from './etcd-keys';
import type { SchedulerAddress, Schedulers } from './schedulers';

export interface PulledActionsParts {
  etcd: Etcd;
  keys: EtcdKeys;
  leased: LeasedKeys;
  schedulers: Schedulers;
  /** Resolves when the activation has been handed on or answered. */
  accept: (value: Buffer) => Promise<void>;
  stopped: (reason: StopReason) => void;
  now: () => number;
  log: Logger;
}

export interface PulledActionsRules extends PullRules {
  invoker: number;
  /** Pulled and neither handed on nor answered, of all actions together. */
  capacity: number;
}

export class PulledActions {
  readonly #parts: PulledActionsParts;
  readonly #rules: PulledActionsRules;
  readonly #pulls = new Map<string, ActionPulls>();
  #handingOn = 0;
  /** Never one container id for two revisions. */
  #containers = 0;

  constructor(parts: PulledActionsParts, rules: PulledActionsRules) {
    this.#parts = parts;
    this.#rules = rules;
  }

  get size(): number {
    return this.#pulls.size;
  }

  /** Does this scheduler count a container of the action here, which one has ordered? */
  isSurplus(scheduler: SchedulerAddress, action: PulledAction): boolean {
    return this.#pulls.get(idOf(action))?.isOrderedBy(scheduler) === true;
  }

  /** It is pulled, by the order of this scheduler. Resolves when the scheduler can see the container. */
  async ordered(action: PulledAction, scheduler: SchedulerAddress): Promise<void> {
    await this.#begin(action, scheduler, true);
  }

  /** A queue of the action has come about at this scheduler: it is pulled before an order has come. */
  queueSeen(action: PulledAction, scheduler: SchedulerAddress): void {
    void this.#begin(action, scheduler, false);
  }

  /** Stops those of an action that are of this revision or an older one. */
  async stopRevisions(namespace: string, name: string, revision: string | null): Promise<void> {
    const old = [...this.#pulls.values()].filter(
      ({ action }) =>
        action.namespace === namespace &&
        `${action.name.path}/${action.name.name}` === name &&
        generationOf(action.revision) <= generationOf(revision ?? ''),
    );
    await Promise.all(old.map(async (pulls) => pulls.stop('another revision')));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#pulls.values()].map(async (pulls) => pulls.stop()));
  }

  async #begin(action: PulledAction, scheduler: SchedulerAddress, isOrdered: boolean): Promise<void> {
    const { keys, leased } = this.#parts;
    const id = idOf(action);
    let pulls = this.#pulls.get(id);
    if (pulls === undefined || pulls.isStopped) {
      pulls = this.#make(action, scheduler);
      this.#pulls.set(id, pulls);
    }
    // A pull counts as a container at once. Messages that wait for 100 ms would make the scheduler order more of them.
    pulls.begin(scheduler, isOrdered);
    await leased.put(keys.container(action, this.#rules.invoker, pulls.container), '');
  }

  #make(action: PulledAction, scheduler: SchedulerAddress): ActionPulls {
    const { schedulers, now, log } = this.#parts;
    this.#containers += 1;
    const container = `z${this.#rules.invoker}-${now().toString(36)}-${this.#containers}`;
    const pulls: ActionPulls = new ActionPulls(
      action,
      container,
      scheduler,
      {
        schedulers,
        leader: async () => this.#leader(action),
        accept: async (value) => this.#accept(value),
        hasRoom: () => this.#handingOn < this.#rules.capacity,
        stopped: (reason) => this.#stopped(pulls, reason),
        now,
        log,
      },
      this.#rules,
    );
    return pulls;
  }

  async #accept(value: Buffer): Promise<void> {
    this.#handingOn += 1;
    try {
      await this.#parts.accept(value);
    } finally {
      this.#handingOn -= 1;
      if (this.#handingOn === this.#rules.capacity - 1) for (const pulls of this.#pulls.values()) pulls.fill();
    }
  }

  async #leader(action: PulledAction): Promise<SchedulerAddress | undefined> {
    const { etcd, keys } = this.#parts;
    const value = await etcd.get(keys.leader(action));
    if (value === undefined) return undefined;
    return addressOf(value);
  }

  #stopped(pulls: ActionPulls, reason: StopReason): void {
    const { keys, leased, log, stopped } = this.#parts;
    const { action, container } = pulls;
    void leased.delete(keys.container(action, this.#rules.invoker, container));
    if (this.#pulls.get(idOf(action)) === pulls) this.#pulls.delete(idOf(action));
    stopped(reason);
    log.info({ namespace: action.namespace, action: `${action.name.path}/${action.name.name}`, reason }, 'pulls ended');
  }
}

/** Version and binding are part of what a queue is asked for, so they tell apart too. */
const idOf = ({ namespace, name, revision }: PulledAction): string =>
  [namespace, name.path, name.name, revision, name.version ?? '', name.binding ?? ''].join(' ');

/** The number before the dash of a CouchDB revision. */
const generationOf = (revision: string): number => Number.parseInt(revision, 10) || 0;
