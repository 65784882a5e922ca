/** Which instances leave so that others have their memory. Pure: it only chooses. */
import type { Departure, MemoryLedger } from '@tetris/common';
import type { IdleInstance, KeepAlivePolicy } from '../scaling/keep-alive';
import type { Group } from './group';
import type { Instance } from './instance-record';

export class Eviction<Ticket> {
  readonly #instances: ReadonlyMap<number, Instance<Ticket>>;
  readonly #memory: MemoryLedger;
  readonly #keepAlive: KeepAlivePolicy;

  constructor(instances: ReadonlyMap<number, Instance<Ticket>>, memory: MemoryLedger, keepAlive: KeepAlivePolicy) {
    this.#instances = instances;
    this.#memory = memory;
    this.#keepAlive = keepAlive;
  }

  /** What would be free if the instances that are idle, or end already, were gone. */
  reclaimable(): Departure {
    const departure = this.#departing();
    for (const { id } of this.#idle()) departure.add(id);
    return departure;
  }

  /**
   * Instances of other groups whose end makes room for one of `group`: idle ones, cheapest first, with `impatient` busy
   * ones too. Empty where they would not be enough: ending some without being able to start afterwards helps nobody.
   */
  forGroup(group: Group<Ticket>, impatient: boolean): Instance<Ticket>[] {
    const candidates = this.#idle();
    if (impatient) candidates.push(...this.#busy());
    const departure = this.#departing();
    const chosen: Instance<Ticket>[] = [];
    for (const instance of candidates) {
      if (departure.lacks(group.need) === 0) break;
      if (instance.group === group) continue;
      chosen.push(instance);
      departure.add(instance.id);
    }
    return departure.lacks(group.need) > 0 ? [] : this.#needed(chosen, group);
  }

  /** Idle instances that go because measured memory has outgrown the budget: until it fits. */
  forBudget(): Instance<Ticket>[] {
    if (this.#memory.fits(0)) return [];
    const departure = this.#departing();
    const chosen: Instance<Ticket>[] = [];
    for (const instance of this.#idle()) {
      if (this.#memory.fits(-departure.freedBytes)) break;
      chosen.push(instance);
      departure.add(instance.id);
    }
    return chosen;
  }

  /** An instance as the keep-alive policy sees it. */
  idleView({ id, group, lastUsedMs, startMs }: Instance<Ticket>): IdleInstance {
    const memory = this.#memory;
    return {
      group: group.description.key,
      idleSinceMs: lastUsedMs,
      // Looks at every tensor, several times a second for each instance where a policy asked whether or not it reads it.
      get bytes() {
        return memory.without([id]).freedBytes;
      },
      startMs,
    };
  }

  /** Of the chosen those without whose end there is no room: a tensor goes with its last holder only. */
  #needed(chosen: readonly Instance<Ticket>[], group: Group<Ticket>): Instance<Ticket>[] {
    const needed = [...chosen];
    for (const instance of [...chosen].reverse()) {
      const departure = this.#departing();
      for (const { id } of needed) if (id !== instance.id) departure.add(id);
      if (departure.lacks(group.need) === 0) needed.splice(needed.indexOf(instance), 1);
    }
    return needed;
  }

  #idle(): Instance<Ticket>[] {
    return [...this.#instances.values()]
      .filter(({ state }) => state === 'warm' || state === 'paused')
      .map((instance) => ({ instance, priority: this.#keepAlive.priority(this.idleView(instance)) }))
      .sort((one, other) => one.priority - other.priority)
      .map(({ instance }) => instance);
  }

  #busy(): Instance<Ticket>[] {
    return [...this.#instances.values()]
      .filter(({ state }) => state === 'busy')
      .sort((one, other) => one.running.size - other.running.size);
  }

  /** The node without the instances that are on their way out. */
  #departing(): Departure {
    const leaving = [...this.#instances.values()].filter(({ state }) => state === 'ending' || state === 'draining');
    return this.#memory.without(leaving.map(({ id }) => id));
  }
}
