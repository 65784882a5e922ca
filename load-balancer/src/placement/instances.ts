/**
 * What this load balancer believes of the warm instances behind it, between one status and the next.
 *
 * A status says how many activations an action's instances hold at once, and how many they have. Capacity minus what is
 * in flight there is the room from then on: a burst between two statuses sees its own effect, and a status that was
 * written before the invoker read of it changes nothing. What they have beyond what the invoker had read of ours comes
 * from other load balancers, and what these have sent since is told by the positions of our own sends (decision 0027). A cold start counts as an instance at once, with its memory set aside, until a status shows it,
 * or it is overdue, or an activation has ended there and still no status shows it: then it has died.
 */
import { answerMs, isTimely, underWay, type WarmInstance } from '@tetris/common';
import { type InstanceEstimate, type Invoker, newEstimate } from '../fleet/invoker';

/** Instances belong to one action revision and one invoking namespace. */
export function instanceKey(action: string, namespace: string): string {
  return `${namespace} ${action}`;
}

/** How the instances of an action serve while they are busy. */
export interface Service {
  /** Activations that they execute at once. */
  atOnce: number;
  perSecond: number;
}

/** Statuses without the instance after which it is gone: the first may be older than the answer. */
const ABSENCES_MAX = 2;

/** An activation's objective and its queue. */
export interface Due {
  /** When its answer is due, epoch ms. */
  dueMs: number;
  /** Somebody of its queue is late. */
  crowded: boolean;
}

/** One activation that was given to an invoker's instances. */
export interface Booking {
  /** It is in the invoker's topic, at this position. */
  sent: (position: number) => void;
  /** It has ended. @param answeredMs when it was answered, epoch ms; undefined where it was given up */
  release: (answeredMs?: number) => void;
}

/** What others have sent since the last status is taken to be for the instances that others use. */
function room({ positions }: Invoker, { capacity, inFlight, ofOthers }: InstanceEstimate): number {
  return capacity - inFlight - (ofOthers > 0 ? positions.ofOthers : 0);
}

/** An instance that batches has room for as much again, in which the next batch gathers. */
const executedAtOnce = ({ capacity }: InstanceEstimate): number => capacity / 2;

/** Of so many that are in flight there, those that are not on their way: what is executed, and what waits for it. */
function held(requests: number, estimate: InstanceEstimate): number {
  const { perSecond = 0, wayMs } = estimate;
  const atOnce = executedAtOnce(estimate);
  if (perSecond === 0 || atOnce === 0) return requests;
  return requests - underWay(requests, { atOnce, executionMs: (1000 * atOnce) / perSecond, wayMs });
}

/** What one more activation waits for, and how long it takes then; nothing where no status tells. */
function before(estimate: InstanceEstimate | undefined): { beforeMs: number; tailMs: number } {
  if (estimate?.tailMs === undefined || estimate.perSecond === undefined) return { beforeMs: 0, tailMs: 0 };
  const { perSecond, tailMs, inFlight, ofOthers } = estimate;
  return { beforeMs: (1000 * held(inFlight + ofOthers, estimate)) / perSecond, tailMs };
}

export class InstanceBook {
  readonly #hosts = new Map<string, Set<Invoker>>();
  readonly #startMsMax: number;

  /** @param startMsMax how long a start may take before its memory is no longer set aside, ms */
  constructor(startMsMax: number) {
    this.#startMsMax = startMsMax;
  }

  /** The usable invoker whose instances have the most room. */
  roomiest(key: string, usable: (invoker: Invoker) => boolean): Invoker | undefined {
    let best: Invoker | undefined;
    let bestRoom = 0;
    for (const invoker of this.#hosts.get(key) ?? []) {
      const estimate = invoker.instances.get(key);
      if (estimate === undefined || room(invoker, estimate) <= bestRoom || !usable(invoker)) continue;
      best = invoker;
      bestRoom = room(invoker, estimate);
    }
    return best;
  }

  /**
   * Whether one more activation may wait at the invoker though the instances that its status shows have no place for it,
   * for one to get free or another to start: so many may there,
   * and the actions at work there share them, so that one without room leaves the window to those that have it. One
   * always may.
   */
  mayQueue(invoker: Invoker, key: string, queuedMax: number): boolean {
    const estimate = invoker.instances.get(key);
    const queued = estimate === undefined ? 0 : estimate.inFlight - (estimate.capacity - estimate.expected);
    const isNew = estimate === undefined || estimate.inFlight === 0;
    return queued < Math.max(1, Math.floor(queuedMax / (invoker.activeActions + (isNew ? 1 : 0))));
  }

  /** When one more activation is answered at the earliest, epoch ms; now where no instance tells. */
  answerMs(key: string, nowMs: number): number {
    let earliest = Number.POSITIVE_INFINITY;
    for (const invoker of this.#hosts.get(key) ?? []) {
      const estimate = invoker.instances.get(key);
      if (estimate !== undefined) earliest = Math.min(earliest, answerMs(nowMs, before(estimate)));
    }
    return Number.isFinite(earliest) ? earliest : nowMs;
  }

  /** How its instances serve while they are busy; undefined where none tells. */
  service(key: string): Service | undefined {
    let service: Service | undefined;
    for (const invoker of this.#hosts.get(key) ?? []) {
      const estimate = invoker.instances.get(key);
      if (estimate?.tailMs === undefined) continue;
      const { atOnce, perSecond } = service ?? { atOnce: 0, perSecond: 0 };
      service = { atOnce: atOnce + executedAtOnce(estimate), perSecond: perSecond + (estimate.perSecond ?? 0) };
    }
    return service;
  }

  /**
   * Whether the instances there take one more into their places: who is in time takes any. While somebody of its queue
   * is late, that is judged by whether answers were in time then, however the node has changed. Who is late goes where
   * nobody is at work; where nobody is in time anyway, half of what is executed at once is kept at work.
   */
  takes(invoker: Invoker, key: string, { dueMs, crowded }: Due, nowMs: number): boolean {
    const estimate = invoker.instances.get(key);
    if (estimate?.tailMs === undefined) return true;
    const atWork = estimate.limit.isHopeless ? executedAtOnce(estimate) / 2 : 1;
    if (held(estimate.inFlight, estimate) < atWork) return true;
    const limit = crowded && dueMs > nowMs ? estimate.limit.of(dueMs - nowMs) : undefined;
    if (limit !== undefined) return estimate.inFlight + 1 <= limit;
    const { beforeMs, tailMs } = before(estimate);
    return isTimely(nowMs, beforeMs, tailMs, dueMs);
  }

  /**
   * The invokers without those whose instances do not answer one more activation in time, as far as statuses tell.
   * @param dueMs minus infinity: without all of which a status tells how they serve
   */
  inTime(invokers: readonly Invoker[], key: string, dueMs: number, nowMs: number): readonly Invoker[] {
    const isLate = (invoker: Invoker): boolean => {
      const estimate = invoker.instances.get(key);
      const { beforeMs, tailMs } = before(estimate);
      return estimate?.tailMs !== undefined && !isTimely(nowMs, beforeMs, tailMs, dueMs);
    };
    const late = [...(this.#hosts.get(key) ?? [])].filter(isLate);
    return late.length === 0 ? invokers : invokers.filter((invoker) => !late.includes(invoker));
  }

  /** Those of the invokers at which one more may wait. See {@link mayQueue}. */
  open(invokers: readonly Invoker[], key: string, queuedMax: number): readonly Invoker[] {
    const full = [...(this.#hosts.get(key) ?? [])].filter((invoker) => !this.mayQueue(invoker, key, queuedMax));
    return full.length === 0 ? invokers : invokers.filter((invoker) => !full.includes(invoker));
  }

  /** An instance is expected to start there. */
  starting(invoker: Invoker, key: string, capacity: number, bytes: number, nowMs: number): void {
    const estimate = this.#estimate(invoker, key);
    estimate.capacity += capacity;
    estimate.expected += capacity;
    estimate.startingUntilMs = nowMs + this.#startMsMax;
    estimate.absences = undefined;
    estimate.reservedBytes += bytes;
    invoker.reservedBytes += bytes;
  }

  /** Books one activation. */
  take(invoker: Invoker, key: string, { dueMs, crowded }: Due, nowMs: number): Booking {
    const estimate = this.#estimate(invoker, key);
    // What an instance takes to start tells nothing of how it serves.
    const tells = crowded && estimate.tailMs !== undefined;
    const booked: { position: number | undefined } = { position: undefined };
    estimate.sent.add(booked);
    const inFlight = (estimate.inFlight += 1);
    if (inFlight === 1) invoker.activeActions += 1;
    const sent = (position: number): void => {
      booked.position = position;
      invoker.positions.sent(position);
    };
    const release = (answeredMs?: number): void => {
      if (tells && answeredMs !== undefined) estimate.limit.answered({ inFlight, sentMs: nowMs, dueMs, answeredMs });
      estimate.sent.delete(booked);
      estimate.inFlight -= 1;
      estimate.absences ??= 0;
      // Otherwise the invoker was given up, and its books closed.
      if (invoker.instances.get(key) !== estimate) return;
      if (estimate.inFlight === 0) invoker.activeActions -= 1;
      this.#forgetEmpty(invoker, key, estimate);
    };
    return { sent, release };
  }

  /** Takes over what an invoker's status says. */
  observe(invoker: Invoker, warm: readonly WarmInstance[], nowMs: number): void {
    const living = new Set<string>();
    for (const { action, namespace, capacity, inUse, tailMs, perSecond, wayMs = 0 } of warm) {
      const key = instanceKey(action, namespace);
      living.add(key);
      const estimate = this.#estimate(invoker, key);
      const ours = [...estimate.sent].filter(({ position }) => invoker.positions.isRead(position)).length;
      estimate.ofOthers = Math.max(0, inUse - ours);
      estimate.capacity = Math.max(0, capacity - estimate.ofOthers);
      Object.assign(estimate, { tailMs, perSecond, wayMs });
      estimate.expected = 0;
      this.#release(invoker, estimate);
    }
    for (const [key, estimate] of invoker.instances) {
      if (living.has(key)) continue;
      if (estimate.absences !== undefined) estimate.absences += 1;
      if (estimate.startingUntilMs > nowMs && (estimate.absences ?? 0) < ABSENCES_MAX) continue;
      estimate.capacity = 0;
      estimate.expected = 0;
      this.#release(invoker, estimate);
      this.#forgetEmpty(invoker, key, estimate);
    }
  }

  /** Everything there is gone. */
  forget(invoker: Invoker): void {
    for (const key of invoker.instances.keys()) this.#unhost(invoker, key);
    invoker.instances.clear();
    invoker.reservedBytes = 0;
    invoker.activeActions = 0;
  }

  #estimate(invoker: Invoker, key: string): InstanceEstimate {
    let estimate = invoker.instances.get(key);
    if (estimate === undefined) {
      estimate = newEstimate();
      invoker.instances.set(key, estimate);
      const hosts = this.#hosts.get(key) ?? new Set();
      hosts.add(invoker);
      this.#hosts.set(key, hosts);
    }
    return estimate;
  }

  #release(invoker: Invoker, estimate: InstanceEstimate): void {
    invoker.reservedBytes -= estimate.reservedBytes;
    estimate.reservedBytes = 0;
    estimate.startingUntilMs = 0;
  }

  #forgetEmpty(invoker: Invoker, key: string, { capacity, inFlight, startingUntilMs }: InstanceEstimate): void {
    if (capacity > 0 || inFlight > 0 || startingUntilMs > 0) return;
    invoker.instances.delete(key);
    this.#unhost(invoker, key);
  }

  #unhost(invoker: Invoker, key: string): void {
    const hosts = this.#hosts.get(key);
    hosts?.delete(invoker);
    if (hosts?.size === 0) this.#hosts.delete(key);
  }
}
