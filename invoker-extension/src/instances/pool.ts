/**
 * Which activation runs in which instance, and when instances start, pause and end. Pure: no I/O, time passed in.
 *
 * Every method takes an event and returns what is to be done about it; the caller does it and reports back. Tickets
 * are activations. A ticket is in exactly one place: waiting in its group, or assigned to one instance.
 *
 * Differences from the stock pool, each on purpose: an action that does not fit holds up nobody else (there, the head
 * of one queue blocks all); it is still served, because once it has waited `patienceMs` younger actions start nothing
 * and instances are drained for it. Memory is what is used, not what was asked for.
 */
import { type ActionManifest, type Departure, givesWay, MemoryLedger, type Waiting } from '@tetris/common';
import { Eviction } from './eviction';
import { Group, type GroupDescription } from './group';
import { type IdleLevel, idleLevel, type IdleSettings, isLower } from './idle-level';
import { type EndReason, type Execution, type Instance, transit } from './instance-record';
import type { KeepAlivePolicy } from '../scaling/keep-alive';
import type { InstanceSettings } from '../scaling/settings';

export interface PoolOptions {
  budgetBytes: number;
  /** Waiting tickets over all groups; beyond it one of the group that has most is refused. */
  waitingMax: number;
  /** A ticket that has waited so long is refused, ms. */
  waitMaxMs: number;
  /** A group that has waited so long for memory has it reserved, ms. */
  patienceMs: number;
  /** Containers created at once. */
  startsMax: number;
  /** Instances of one group with an objective on their way up at once: starting takes cores from those that serve. */
  groupStartsMax: number;
  /** After an instance beside others could not be made ready, no further one is tried for so long, ms. */
  barredMs: number;
  /** Idle time after which an instance is paused, ms. */
  pauseGraceMs: number;
  /** When idle instances give memory back. @default never */
  idle?: IdleSettings;
}

/** Why an activation is refused. */
export type Refusal = 'queue-full' | 'waited-too-long' | 'never-fits' | 'stopping';

export type PoolCommand<Ticket> =
  /** Create a container and let the ticket initialise it. */
  | { do: 'start'; instance: number; ticket: Ticket; settings: InstanceSettings }
  /** Create a container and initialise it for tickets to come. */
  | { do: 'warm-up'; instance: number; group: string; settings: InstanceSettings }
  /** The same, of what this ticket is of, which goes on waiting: an instance at work may be free before. */
  | { do: 'start-beside'; instance: number; like: Ticket; settings: InstanceSettings }
  /** `dueMs`: by when the instance should answer, epoch ms; infinite without an objective. */
  | { do: 'run'; instance: number; ticket: Ticket; resume: boolean; dueMs: number }
  | { do: 'pause'; instance: number }
  /** Give memory back until the next activation; comes before `pause`, or to an instance that is paused. */
  | { do: 'rest'; instance: number; level: IdleLevel }
  | { do: 'end'; instance: number; reason: EndReason }
  /** `missingBytes`: what the node's memory lacked for it, 0 where that was not why. */
  | { do: 'refuse'; ticket: Ticket; refusal: Refusal; missingBytes: number }
  /** Init failed for the ticket that started the instance; this one waited for the same instance. */
  | { do: 'abort'; instance: number; ticket: Ticket };

/** What the scaler has found out since it was asked last. */
export interface PoolPlan {
  /** What the next instances of known groups are to be, by key. */
  groups: ReadonlyMap<string, Pick<GroupDescription, 'settings' | 'coresMax'>>;
  /** Instances that are to take no more. */
  ends: readonly number[];
}

/** When an answer is due. */
const dueMsOf = ({ settings }: GroupDescription, startedMs: number): number =>
  startedMs + (settings.sloMs ?? Number.POSITIVE_INFINITY);

export class Pool<Ticket> {
  readonly memory: MemoryLedger;
  readonly #options: PoolOptions;
  readonly #keepAlive: KeepAlivePolicy;
  readonly #eviction: Eviction<Ticket>;
  readonly #groups = new Map<string, Group<Ticket>>();
  readonly #instances = new Map<number, Instance<Ticket>>();
  #commands: PoolCommand<Ticket>[] = [];
  #nextId = 1;
  #waiting = 0;
  #draining = false;
  /** Somebody waits for memory. */
  #short = false;

  constructor(options: PoolOptions, keepAlive: KeepAlivePolicy) {
    this.#options = options;
    this.#keepAlive = keepAlive;
    this.memory = new MemoryLedger(options.budgetBytes);
    this.#eviction = new Eviction(this.#instances, this.memory, keepAlive);
  }

  get waiting(): number {
    return this.#waiting;
  }

  get running(): number {
    let count = 0;
    for (const instance of this.#instances.values()) count += instance.running.size;
    return count;
  }

  /** Whether instances are on their way up. */
  get isStarting(): boolean {
    return [...this.#instances.values()].some(({ state }) => state === 'starting' || state === 'initialising');
  }

  /** Whether somebody waits for memory: what is free is theirs. */
  get short(): boolean {
    return this.#short;
  }

  /** What would be free if the instances that are idle, or end already, were gone. */
  reclaimable(): Departure {
    return this.#eviction.reclaimable();
  }

  /** Living instances, for status and metrics. */
  instances(): Iterable<Readonly<Instance<Ticket>>> {
    return this.#instances.values();
  }

  /**
   * An activation came. The description of a known group is updated by it.
   * @param startedMs when its transaction began, from which an objective counts, epoch ms
   */
  arrived(
    ticket: Ticket,
    description: GroupDescription,
    nowMs: number,
    startedMs: number = nowMs,
  ): PoolCommand<Ticket>[] {
    this.#keepAlive.arrived(description.key, nowMs);
    const group = this.#group(description);
    group.waiting.push({ ticket, sinceMs: nowMs, dueMs: dueMsOf(description, startedMs) });
    this.#waiting += 1;
    if (this.#waiting > this.#options.waitingMax) this.#refuseOne(group, nowMs);
    return this.#decide(nowMs);
  }

  /** One more instance than tickets ask for, where memory is free: nobody leaves for it. */
  add(description: GroupDescription, nowMs: number): PoolCommand<Ticket>[] {
    const fits = this.memory.fits(this.memory.need(description));
    const { key, settings } = description;
    const known = this.#groups.get(key);
    const barred = this.#draining || this.#short || this.#startsInFlight() >= this.#options.startsMax;
    if (barred || !fits || (known !== undefined && this.#startsEnough(known))) return [];
    const { id } = this.#create(known ?? this.#group(description), settings, nowMs);
    this.#commands.push({ do: 'warm-up', instance: id, group: key, settings });
    return this.#decide(nowMs);
  }

  /** The scaler has planned anew. */
  planned({ groups, ends }: PoolPlan, nowMs: number): PoolCommand<Ticket>[] {
    for (const [key, next] of groups) {
      const group = this.#groups.get(key);
      if (group !== undefined) group.description = { ...group.description, ...next };
    }
    for (const id of ends) {
      const instance = this.#instances.get(id);
      if (instance !== undefined) this.#drain(instance, 'surplus');
    }
    return this.#decide(nowMs);
  }

  /**
   * As {@link add}, for an instance that is to end when the new one is ready. Nothing where one is on its way already.
   */
  replace(id: number, nowMs: number): PoolCommand<Ticket>[] {
    const old = this.#instances.get(id);
    const isReplaced = [...this.#instances.values()].some(({ replaces }) => replaces === id);
    if (old === undefined || isReplaced) return [];
    const commands = this.add(old.group.description, nowMs);
    const started = commands.find((command) => command.do === 'warm-up');
    const next = this.#instances.get(started?.instance ?? 0);
    if (next !== undefined) next.replaces = id;
    return commands;
  }

  /** The container of a starting instance runs. */
  created(id: number, nowMs: number): PoolCommand<Ticket>[] {
    this.#move(id, 'created');
    return this.#decide(nowMs);
  }

  /** It is ready: its room opens. */
  initialised(id: number, nowMs: number): PoolCommand<Ticket>[] {
    const instance = this.#move(id, 'initialised');
    if (instance !== undefined) {
      instance.startMs = nowMs - instance.sinceMs;
      instance.lastUsedMs = nowMs;
      const replaced = this.#instances.get(instance.replaces ?? 0);
      if (replaced !== undefined) this.#drain(replaced, 'grown');
      // Nobody waits for one that was warmed up.
      if (instance.running.size === 0 && instance.state !== 'ending') this.#idle(instance);
    }
    return this.#decide(nowMs);
  }

  /**
   * Its `/init` failed. The ticket that started it is answered by the caller; with `mates`, so are those that would
   * have been its next (an error of the action's own is the same for all; a killed container is not).
   */
  initFailed(id: number, mates: boolean, nowMs: number): PoolCommand<Ticket>[] {
    const instance = this.#instances.get(id);
    if (instance !== undefined) {
      const { waiting } = instance.group;
      const count = mates ? instance.settings.room - 1 : 0;
      for (let mate = 0; mate < count && waiting.length > 0; mate += 1) {
        this.#commands.push({ do: 'abort', instance: id, ticket: this.#take(instance.group, nowMs) });
      }
      // Nobody is told of the failure; the same again at once would help nobody.
      if (instance.running.size === 0) instance.group.barredUntilMs = nowMs + this.#options.barredMs;
      instance.running.clear();
      this.#end(instance, 'failed');
    }
    return this.#decide(nowMs);
  }

  /**
   * An activation was answered. `broken`: the instance takes no more and ends when the others are answered.
   * @param execution what the instance says of it; undefined where it says nothing
   */
  finished(id: number, ticket: Ticket, broken: boolean, nowMs: number, execution?: Execution): PoolCommand<Ticket>[] {
    const instance = this.#instances.get(id);
    const givenMs = instance?.running.get(ticket);
    if (instance?.running.delete(ticket) === true) {
      if (givenMs !== undefined && !broken) instance.group.answered(instance, givenMs, nowMs, execution);
      instance.lastUsedMs = nowMs;
      if (broken) this.#drain(instance, 'failed');
      if (instance.running.size === 0) this.#idle(instance);
    }
    return this.#decide(nowMs);
  }

  /**
   * An instance never got the ticket it was assigned: back to the head of its queue, and the instance takes no more.
   */
  returned(
    id: number,
    ticket: Ticket,
    description: GroupDescription,
    { arrivedMs, startedMs }: { arrivedMs: number; startedMs: number },
    nowMs: number,
  ): PoolCommand<Ticket>[] {
    const dueMs = dueMsOf(description, startedMs);
    this.#group(description).waiting.push({ ticket, sinceMs: arrivedMs, dueMs });
    this.#waiting += 1;
    return this.finished(id, ticket, true, nowMs);
  }

  /** The instance can no longer be trusted, say because its logs did not end: it takes no more. */
  failed(id: number, nowMs: number): PoolCommand<Ticket>[] {
    const instance = this.#instances.get(id);
    if (instance !== undefined) this.#drain(instance, 'failed');
    return this.#decide(nowMs);
  }

  /** The container is no more: destroyed by us, or dead. Its activations are answered by whoever ran them. */
  ended(id: number, nowMs: number): PoolCommand<Ticket>[] {
    const instance = this.#instances.get(id);
    if (instance !== undefined) {
      transit(instance, 'ended');
      this.#instances.delete(id);
      instance.group.instances.delete(instance);
      this.memory.free(id);
      this.#forget(instance.group);
    }
    return this.#decide(nowMs);
  }

  /** New figures of the node: bytes that leases hold, and an instance's private bytes. */
  measured(
    leasedBytes: number | undefined,
    samples: ReadonlyMap<number, number>,
    nowMs: number,
  ): PoolCommand<Ticket>[] {
    if (leasedBytes !== undefined) this.memory.leased(leasedBytes);
    for (const [id, bytes] of samples) this.memory.measured(id, bytes);
    return this.#decide(nowMs);
  }

  /** The manifest of an action revision became known, or changed. */
  learned(revision: string, manifest: ActionManifest): void {
    for (const group of this.#groups.values()) {
      if (group.description.revision !== revision) continue;
      group.description = { ...group.description, manifest };
      for (const { id } of group.instances) this.memory.learned(id, manifest);
    }
  }

  /** Time passed: idle instances are paused and ended, waits bounded. */
  tick(nowMs: number): PoolCommand<Ticket>[] {
    for (const group of this.#groups.values()) this.#refuseLate(group, nowMs);
    for (const instance of [...this.#instances.values()]) this.#age(instance, nowMs);
    for (const instance of this.#eviction.forBudget()) this.#drain(instance, 'memory');
    return this.#decide(nowMs);
  }

  /** From now on idle instances end at once; what waits is still served. */
  drain(nowMs: number): PoolCommand<Ticket>[] {
    this.#draining = true;
    return this.tick(nowMs);
  }

  /** The time to drain is over: what still waits is refused. */
  abandon(nowMs: number): PoolCommand<Ticket>[] {
    for (const group of [...this.#groups.values()]) {
      while (group.waiting.length > 0) {
        this.#commands.push({ do: 'refuse', ticket: this.#take(group, nowMs), refusal: 'stopping', missingBytes: 0 });
      }
      this.#forget(group);
    }
    return this.drain(nowMs);
  }

  #decide(nowMs: number): PoolCommand<Ticket>[] {
    const waiting = [...this.#groups.values()]
      .filter((group) => group.waiting.length > 0)
      .sort((one, other) => one.oldestMs - other.oldestMs);
    for (const group of waiting) this.#assign(group, nowMs);
    this.#short = false;
    for (const group of waiting) {
      // A group whose patience is over comes first: what frees up is for it alone.
      if (this.#start(group, nowMs)) continue;
      this.#short = true;
      if (nowMs - group.oldestMs > this.#options.patienceMs) break;
    }
    const commands = this.#commands;
    this.#commands = [];
    return commands;
  }

  /** Gives waiting tickets to instances with room. */
  #assign(group: Group<Ticket>, nowMs: number): void {
    for (;;) {
      const instance = group.waiting.length === 0 ? undefined : group.withRoom(nowMs);
      if (instance === undefined) return;
      const { ticket, dueMs } = this.#taken(group, group.take(nowMs));
      const resume = instance.state === 'paused';
      transit(instance, 'assigned');
      instance.level = 'awake';
      instance.running.set(ticket, nowMs);
      instance.lastUsedMs = nowMs;
      this.#commands.push({ do: 'run', instance: instance.id, ticket, resume, dueMs: dueMs - group.way.tailMs });
    }
  }

  /** Starts what the group's waiting tickets need. False where memory was wanted and is not there. */
  #start(group: Group<Ticket>, nowMs: number): boolean {
    while (group.waiting.length > group.covered(nowMs)) {
      if (!group.findsCore || this.#startsEnough(group)) return true;
      const missingBytes = this.memory.total(group.need) - this.memory.budgetBytes;
      if (missingBytes > 0) {
        while (group.waiting.length > 0) {
          this.#commands.push({ do: 'refuse', ticket: this.#take(group, nowMs), refusal: 'never-fits', missingBytes });
        }
        this.#forget(group);
        return true;
      }
      if (this.#startsInFlight() >= this.#options.startsMax) return true;
      if (!this.memory.fits(this.memory.need(group.need))) {
        const impatient = nowMs - group.oldestMs > this.#options.patienceMs;
        for (const instance of this.#eviction.forGroup(group, impatient)) this.#drain(instance, 'memory');
        return false;
      }
      const { settings } = group.description;
      const next = group.waiting.next(group.answerMs(nowMs));
      if (next !== undefined && settings.sloMs !== undefined && group.works) {
        if (nowMs < group.barredUntilMs) return true;
        const { id } = this.#create(group, settings, nowMs);
        this.#commands.push({ do: 'start-beside', instance: id, like: next.ticket, settings });
        continue;
      }
      const ticket = this.#take(group, nowMs);
      const { id, running } = this.#create(group, settings, nowMs);
      running.set(ticket, undefined);
      this.#commands.push({ do: 'start', instance: id, ticket, settings });
    }
    return true;
  }

  #create(group: Group<Ticket>, settings: InstanceSettings, nowMs: number): Instance<Ticket> {
    const id = this.#nextId++;
    const instance: Instance<Ticket> = {
      id,
      group,
      state: 'starting',
      settings,
      predictor: group.predictor(settings),
      running: new Map(),
      sinceMs: nowMs,
      startMs: 0,
      lastUsedMs: nowMs,
      level: 'awake',
    };
    this.#instances.set(id, instance);
    group.instances.add(instance);
    this.memory.reserve(id, group.need);
    return instance;
  }

  #startsInFlight(): number {
    let count = 0;
    for (const { state } of this.#instances.values()) if (state === 'starting') count += 1;
    return count;
  }

  #startsEnough(group: Group<Ticket>): boolean {
    return group.description.settings.sloMs !== undefined && group.starting >= this.#options.groupStartsMax;
  }

  #age(instance: Instance<Ticket>, nowMs: number): void {
    if (instance.state !== 'warm' && instance.state !== 'paused') return;
    const idleMs = nowMs - instance.lastUsedMs;
    if (this.#draining) this.#end(instance, 'draining');
    else if (idleMs >= this.#keepAlive.keepMs(this.#eviction.idleView(instance))) this.#end(instance, 'idle');
    else this.#rest(instance, idleMs);
  }

  #rest(instance: Instance<Ticket>, idleMs: number): void {
    const level = this.#levelOf(instance, idleMs);
    if (isLower(level, instance.level)) {
      instance.level = level;
      this.#commands.push({ do: 'rest', instance: instance.id, level });
    }
    if (instance.state === 'warm' && idleMs >= this.#options.pauseGraceMs) {
      transit(instance, 'paused');
      this.#commands.push({ do: 'pause', instance: instance.id });
    }
  }

  #levelOf({ settings }: Instance<Ticket>, idleMs: number): IdleLevel {
    const { idle } = this.#options;
    if (idle === undefined) return 'awake';
    const usedShare = this.memory.usedBytes / this.memory.budgetBytes;
    const { room, sloMs } = settings;
    return idleLevel({ idleMs, room, hasObjective: sloMs !== undefined, isShort: this.#short, usedShare }, idle);
  }

  #refuseLate(group: Group<Ticket>, nowMs: number): void {
    while (group.waiting.length > 0 && nowMs - group.oldestMs >= this.#options.waitMaxMs) {
      const missingBytes = this.memory.without([]).lacks(group.need);
      const { ticket } = this.#taken(group, group.waiting.takeOldest());
      this.#commands.push({ do: 'refuse', ticket, refusal: 'waited-too-long', missingBytes });
    }
    this.#forget(group);
  }

  /** Too many wait: one of the group that has most gives way. */
  #refuseOne(newcomers: Group<Ticket>, nowMs: number): void {
    const group = givesWay(this.#groups.values(), newcomers);
    const { ticket } = this.#taken(group, group.takeLast(nowMs));
    this.#commands.push({ do: 'refuse', ticket, refusal: 'queue-full', missingBytes: 0 });
    this.#forget(group);
  }

  #idle(instance: Instance<Ticket>): void {
    const wasDraining = instance.state === 'draining';
    transit(instance, 'idle');
    if (wasDraining) {
      this.#commands.push({ do: 'end', instance: instance.id, reason: instance.drained ?? 'failed' });
    } else if (this.#draining && instance.group.waiting.length === 0) this.#end(instance, 'draining');
  }

  #drain(instance: Instance<Ticket>, reason: EndReason): void {
    if (instance.state === 'warm' || instance.state === 'paused') this.#end(instance, reason);
    else {
      transit(instance, 'drain');
      instance.drained ??= reason;
    }
    if (reason === 'memory') this.#keepAlive.evicted(this.#eviction.idleView(instance));
  }

  #end(instance: Instance<Ticket>, reason: EndReason): void {
    transit(instance, 'end');
    this.#commands.push({ do: 'end', instance: instance.id, reason });
  }

  #move(id: number, event: 'created' | 'initialised'): Instance<Ticket> | undefined {
    const instance = this.#instances.get(id);
    if (instance !== undefined && instance.state !== 'ending') transit(instance, event);
    return instance;
  }

  #take(group: Group<Ticket>, nowMs: number): Ticket {
    return this.#taken(group, group.take(nowMs)).ticket;
  }

  #taken({ description }: Group<Ticket>, entry: Waiting<Ticket> | undefined): Waiting<Ticket> {
    if (entry === undefined) throw new RangeError(`nothing waits in group '${description.key}'`);
    this.#waiting -= 1;
    return entry;
  }

  #group(description: GroupDescription): Group<Ticket> {
    const known = this.#groups.get(description.key);
    if (known !== undefined) {
      known.description = description;
      return known;
    }
    const group = new Group<Ticket>(description);
    this.#groups.set(description.key, group);
    return group;
  }

  /** A group exists as long as something waits or lives in it. */
  #forget(group: Group<Ticket>): void {
    if (group.waiting.length === 0 && group.instances.size === 0) this.#groups.delete(group.description.key);
  }
}
