import type { ActionManifest, MemoryNeed } from '@tetris/common';
import { AnswerTimes } from './answer-times';
import { executedAtOnce, type InstanceSettings, roomForOne } from '../scaling/settings';
import type { Given, Instance } from './instance-record';
import { WaitingLine } from './waiting-line';

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

/**
 * Share of the objective for which an activation may be in its instance; the rest is for the way there and back, and
 * for noise.
 */
const INSTANCE_SHARE = 0.6;

/** Weight of the newest answer in the mean time between an instance's answers. */
const NEWEST = 0.1;

/** Activations that may share instances, and those instances. */
export class Group<Ticket> {
  description: GroupDescription;
  readonly waiting = new WaitingLine<Ticket>();
  readonly instances = new Set<Instance<Ticket>>();
  readonly #answerTimes = new AnswerTimes();
  /** Until then no instance starts beside others, epoch ms. */
  barredUntilMs = 0;

  constructor(description: GroupDescription) {
    this.description = description;
  }

  get need(): MemoryNeed {
    return this.description;
  }

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

  /** An instance at work has answered. */
  answered(instance: Instance<Ticket>, { atMs, count }: Given, nowMs: number): void {
    this.#answerTimes.answered(nowMs - atMs);
    const gapMs = (nowMs - atMs) / count;
    instance.gapMs = instance.gapMs === undefined ? gapMs : instance.gapMs + NEWEST * (gapMs - instance.gapMs);
  }

  /**
   * Gives up the objective of those whom no instance answers within it any more, by the time that slow answers take.
   * Half of the objective is left to whoever waits, however slow they are: where instances alone take longer, order is
   * no help.
   */
  postponeLate(nowMs: number): void {
    const { sloMs } = this.description.settings;
    if (sloMs === undefined || this.waiting.length === 0) return;
    this.waiting.lateBefore(nowMs + Math.min(this.#answerTimes.slowMs, sloMs / 2));
  }

  /**
   * The instance that takes the next ticket. Who is late keeps instances at work and no more: the room in which the
   * next batch gathers is for those who can be in time.
   */
  withRoom(): Instance<Ticket> | undefined {
    const { nextIsLate } = this.waiting;
    let best: Instance<Ticket> | undefined;
    for (const instance of this.instances) {
      const most = nextIsLate ? roomForOne(instance.settings) : timely(instance);
      if (instance.running.size >= most || !hasRoom(instance)) continue;
      if (best === undefined || precedes(instance, best)) best = instance;
    }
    return best;
  }

  /**
   * Tickets that instances on their way up will take beside those that started them. With an objective these are late
   * already, so that an instance counts with what it answers in half the time of an objective, not with one round; the
   * other half is for those that come meanwhile.
   */
  comingRoom(): number {
    let room = 0;
    for (const { state, settings, latencyMs, running } of this.instances) {
      if (!isStarting(state)) continue;
      const { sloMs } = settings;
      const rounds = sloMs === undefined || latencyMs === undefined ? 1 : Math.floor(sloMs / latencyMs / 2);
      room += (sloMs === undefined ? settings.room : executedAtOnce(settings) * Math.max(1, rounds)) - running.size;
    }
    return room;
  }

  /**
   * Tickets that instances at work will answer within the objective after what they have now: so many need no new
   * instance. None where there is no objective, or the time of an execution is not known.
   */
  timelyRoom(nowMs: number): number {
    let room = 0;
    for (const { state, settings, latencyMs, running } of this.instances) {
      if (settings.sloMs === undefined || latencyMs === undefined || !isAwake(state)) continue;
      const leftMs = this.waiting.dueMs - nowMs;
      const atOnce = executedAtOnce(settings);
      // The present execution may have just begun.
      const ahead = Math.max(1, Math.ceil(running.size / atOnce));
      room += atOnce * Math.max(0, Math.floor(leftMs / latencyMs) - ahead);
    }
    return room;
  }
}

const isStarting = (state: Instance<unknown>['state']): boolean => state === 'starting' || state === 'initialising';

const isAwake = (state: Instance<unknown>['state']): boolean => state === 'warm' || state === 'busy';

const hasRoom = ({ state, settings, running }: Instance<unknown>): boolean =>
  (isAwake(state) || state === 'paused') && running.size < settings.room;

/** Whether a ticket goes to the one rather than to the other: among equals to the larger, then to the older. */
function precedes(one: Instance<unknown>, other: Instance<unknown>): boolean {
  const [ofOne, ofOther] = [reluctance(one), reluctance(other)];
  return ofOne === ofOther ? one.settings.room > other.settings.room : ofOne < ofOther;
}

/**
 * With an objective: how much an instance has to do for its cores, as what waits there cannot move to one that falls
 * idle, and the scaler ends what is too much. Without one: how empty it is, so that others fall idle. Paused ones come
 * last.
 */
function reluctance({ state, settings, running }: Instance<unknown>): number {
  const { room, workers, threads, sloMs } = settings;
  if (state === 'paused') return Number.POSITIVE_INFINITY;
  return sloMs === undefined ? -running.size / room : running.size / (workers * threads);
}

/**
 * Activations that an instance answers within its share of the objective, one after the other; at least one batch. What
 * it has no more time for waits before it, where the newest goes first, and not in it, where nobody is overtaken.
 */
function timely({ settings, gapMs }: Instance<unknown>): number {
  const { sloMs } = settings;
  if (sloMs === undefined || gapMs === undefined) return settings.room;
  return Math.max(roomForOne(settings), Math.floor((INSTANCE_SHARE * sloMs) / gapMs));
}
