import {
  type ActionManifest,
  answerMs,
  type ExecutionFigures,
  type MemoryNeed,
  Predictor,
  type Waiting,
  WaitingLine,
} from '@tetris/common';
import { sameShape } from '../scaling/profile';
import { executedAtOnce, type InstanceSettings, roomForOne, shapeOf } from '../scaling/settings';
import type { Execution, Instance } from './instance-record';
import { answersBefore, beforeMs, executionOf, held, tailMs } from './service';

/** What activations of one action revision and one invoking namespace have in common. */
export interface GroupDescription {
  key: string;
  /** The action revision, under which its manifest is known. */
  revision: string;
  /** The invoking namespace. */
  namespace: string;
  /** What its next instance starts with. */
  settings: InstanceSettings;
  /**
   * Cores that its instances may have together: one more beside others would serve nobody sooner. @default unbounded
   */
  coresMax?: number;
  /** The action's memory limit. */
  limitBytes: number;
  /** Known once any node has run the action. */
  manifest: ActionManifest | undefined;
}

/** How a group serves: what a load balancer needs to know of it, see `WarmInstance`. */
export interface GroupService {
  /** Time of a slow execution and the way there and back, ms. */
  tailMs: number;
  /** Activations that its instances answer a second while they are busy. */
  perSecond: number;
  /** Mean time of the way there and back, ms. */
  wayMs: number;
}

/** Activations that may share instances, and those instances. */
export class Group<Ticket> {
  description: GroupDescription;
  readonly waiting = new WaitingLine<Ticket>();
  readonly instances = new Set<Instance<Ticket>>();
  /** Those of its instances that run alike. */
  readonly #predictors: { settings: InstanceSettings; predictor: Predictor }[] = [];
  /** What an activation takes beside its execution and its wait in the instance: the way there, user code, and back. */
  readonly #ways = new Predictor();
  /** Until then no instance starts beside others, epoch ms. */
  barredUntilMs = 0;

  constructor(description: GroupDescription) {
    this.description = description;
  }

  get need(): MemoryNeed {
    return this.description;
  }

  /** Activations that wait; see `givesWay`. */
  get length(): number {
    return this.waiting.length;
  }

  readonly priority = 0;

  /** Whether an instance is at work, or could be at once. */
  get works(): boolean {
    return [...this.instances].some(({ state }) => isAwake(state) || state === 'paused');
  }

  /** Instances on their way up. */
  get starting(): number {
    let count = 0;
    for (const { state } of this.instances) if (isStarting(state)) count += 1;
    return count;
  }

  /** Whether its next instance finds a core; the only one always does. */
  get findsCore(): boolean {
    const { coresMax = Number.POSITIVE_INFINITY, settings } = this.description;
    let [alone, cores] = [true, settings.workers * settings.threads];
    for (const instance of this.instances) {
      if (instance.state === 'ending') continue;
      alone = false;
      if (instance.state !== 'draining') cores += instance.settings.workers * instance.settings.threads;
    }
    return alone || cores <= coresMax;
  }

  /** Arrival of the oldest waiting ticket, epoch ms; infinite where none waits. */
  get oldestMs(): number {
    return this.waiting.oldestMs;
  }

  /** Of the way there and back: user code counts with it. */
  get way(): ExecutionFigures {
    return this.#ways.of(1) ?? { tailMs: 0, meanMs: 0 };
  }

  /** How long executions take in instances with these settings. */
  predictor(settings: InstanceSettings): Predictor {
    const known = this.#predictors.find((each) => sameShape(shapeOf(each.settings), shapeOf(settings)));
    if (known !== undefined) return known.predictor;
    const predictor = new Predictor();
    this.#predictors.push({ settings, predictor });
    return predictor;
  }

  /** An instance at work has answered an activation that it got then. */
  answered({ predictor }: Instance<Ticket>, atMs: number, nowMs: number, execution: Execution | undefined): void {
    if (execution === undefined) return;
    const { requests, executionMs, waitedMs } = execution;
    if (requests > 0) predictor.ran(requests, executionMs);
    this.#ways.ran(1, Math.max(0, nowMs - atMs - waitedMs - executionMs));
  }

  /** When a slow answer to one more ticket is there at the earliest, by the instances that are at work; epoch ms. */
  answerMs(nowMs: number): number {
    const answers = [...this.instances].filter(takesMore).map((instance) => this.#answerMs(instance, nowMs));
    return answers.length === 0 ? nowMs : Math.min(...answers);
  }

  /** Removes and returns the ticket to be served next. */
  take(nowMs: number): Waiting<Ticket> | undefined {
    return this.waiting.take(this.answerMs(nowMs));
  }

  /** Removes and returns the ticket that would be served last. */
  takeLast(nowMs: number): Waiting<Ticket> | undefined {
    return this.waiting.takeLast(this.answerMs(nowMs));
  }

  /**
   * The instance that takes the next ticket: one that answers it in time. Who is late keeps instances at work and no
   * more, what is on its way to them and back not counted: the room in which the next batch gathers is for those that
   * can be in time.
   */
  withRoom(nowMs: number): Instance<Ticket> | undefined {
    const earliestMs = this.answerMs(nowMs);
    const { dueMs } = this.waiting.next(earliestMs) ?? { dueMs: 0 };
    let best: Instance<Ticket> | undefined;
    for (const instance of this.instances) {
      if (!takesMore(instance) || instance.running.size >= instance.settings.room) continue;
      const idles = held(instance, this.way.meanMs) < roomForOne(instance.settings);
      if (dueMs < earliestMs ? !idles : this.#answerMs(instance, nowMs) > dueMs) continue;
      if (best === undefined || precedes(instance, best)) best = instance;
    }
    return best;
  }

  /**
   * Tickets that its instances answer in time beside what they have: so many need no further one. One on its way up is
   * late for those that wait, so it counts with what it will answer within an objective.
   */
  covered(nowMs: number): number {
    const dueMs = this.waiting.next(Number.NEGATIVE_INFINITY)?.dueMs ?? Number.POSITIVE_INFINITY;
    const { way } = this;
    let covered = 0;
    for (const instance of this.instances) {
      const { settings, running, state } = instance;
      const withinMs = (settings.sloMs ?? 0) - way.tailMs;
      if (isStarting(state)) {
        const first = settings.sloMs === undefined ? settings.room : executedAtOnce(settings);
        covered += Math.max(first, answersBefore(instance, way.meanMs, withinMs)) - running.size;
      } else if (isAwake(state)) covered += answersBefore(instance, way.meanMs, dueMs - nowMs - way.tailMs);
    }
    return covered;
  }

  /** Undefined while nothing is known, and without an objective. */
  get service(): GroupService | undefined {
    const known = [...this.instances].filter(takesMore).flatMap((instance) => {
      const execution = executionOf(instance);
      return execution === undefined ? [] : [{ ...execution, atOnce: executedAtOnce(instance.settings) }];
    });
    if (known.length === 0 || this.description.settings.sloMs === undefined) return undefined;
    return {
      tailMs: Math.max(...known.map(({ tailMs }) => tailMs)) + this.way.tailMs,
      perSecond: known.reduce((sum, { atOnce, meanMs }) => sum + (1000 * atOnce) / Math.max(1, meanMs), 0),
      wayMs: this.way.meanMs,
    };
  }

  #answerMs(instance: Instance<Ticket>, nowMs: number): number {
    const { way } = this;
    const runMs = tailMs(instance, way.meanMs);
    return answerMs(nowMs, { beforeMs: beforeMs(instance, way.meanMs), tailMs: runMs + way.tailMs });
  }
}

const isStarting = (state: Instance<unknown>['state']): boolean => state === 'starting' || state === 'initialising';

const isAwake = (state: Instance<unknown>['state']): boolean => state === 'warm' || state === 'busy';

const takesMore = ({ state }: Instance<unknown>): boolean => isAwake(state) || state === 'paused';

/** Whether a ticket goes to the one rather than to the other: among equals to the larger, then to the older. */
function precedes(one: Instance<unknown>, other: Instance<unknown>): boolean {
  const [ofOne, ofOther] = [reluctance(one), reluctance(other)];
  return ofOne === ofOther ? one.settings.room > other.settings.room : ofOne < ofOther;
}

/** Where joint executions take less than so much of the time of single ones, requests are gathered. */
const GATHERED_BELOW = 0.7;

/**
 * With an objective: how much an instance has to do for its cores, as what waits there cannot move to one that falls
 * idle, and the scaler ends what is too much. Without one, and where joining saves much: how empty it is, so that
 * others fall idle, and batches are larger for all of those that are in time still (decision 0032). Paused ones come
 * last.
 */
function reluctance({ state, settings, running, predictor }: Instance<unknown>): number {
  const { room, workers, threads, sloMs } = settings;
  if (state === 'paused') return Number.POSITIVE_INFINITY;
  const gathers = sloMs === undefined || (predictor.jointShare ?? 1) < GATHERED_BELOW;
  return gathers ? -running.size / room : running.size / (workers * threads);
}
