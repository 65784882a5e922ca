import type { ActionManifest } from '@tetris/common';
import { answerWithinMs, executedAtOnce, type InstanceSettings } from '../scaling/settings';
import type { Instance } from './instance-record';
import type { MemoryNeed } from './node-memory';

/** What activations of one action revision and one invoking namespace have in common. */
export interface GroupDescription {
  key: string;
  /** The action revision, under which its manifest is known. */
  revision: string;
  /** The invoking namespace. */
  namespace: string;
  /** What its next instance starts with. */
  settings: InstanceSettings;
  /** Cores that its instances may have together: one more beside others would serve nobody sooner. @default unbounded */
  coresMax?: number;
  /** The action's memory limit. */
  limitBytes: number;
  /** Known once any node has run the action. */
  manifest: ActionManifest | undefined;
}

/** Activations that may share instances, and those instances. */
export class Group<Ticket> {
  description: GroupDescription;
  /** In order of arrival. */
  readonly waiting: { ticket: Ticket; sinceMs: number }[] = [];
  readonly instances = new Set<Instance<Ticket>>();
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
    return this.waiting[0]?.sinceMs ?? Number.POSITIVE_INFINITY;
  }

  /**
   * The instance that takes the next ticket. Tickets of a group have the same objective, so their order of arrival is
   * that of their deadlines; what is chosen is the fullest instance that still answers the first of them in time.
   */
  withRoom(nowMs: number): Instance<Ticket> | undefined {
    const waitedMs = this.waiting.length === 0 ? 0 : nowMs - this.oldestMs;
    let best: Instance<Ticket> | undefined;
    for (const instance of this.instances) {
      if (rank(instance, waitedMs) > (best === undefined ? 0 : rank(best, waitedMs))) best = instance;
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
      const leftMs = settings.sloMs - (nowMs - this.oldestMs);
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

/**
 * 0 cannot take one; paused ranks below awake. Among the awake those that answer in time come before those that do not:
 * the former fuller first, so that others fall idle, the latter emptier first.
 */
function rank(instance: Instance<unknown>, waitedMs: number): number {
  const { state, settings, running } = instance;
  if (running.size >= settings.room) return 0;
  if (state === 'paused') return 0.5;
  if (!isAwake(state)) return 0;
  const fullness = running.size / settings.room;
  return isTimely(instance, waitedMs) ? 2 + fullness : 2 - fullness;
}

/** A free worker starts at once; else an execution has to end first. */
function isTimely({ settings, running, latencyMs }: Instance<unknown>, waitedMs: number): boolean {
  if (settings.sloMs === undefined || latencyMs === undefined) return true;
  const executions = running.size < settings.workers ? 1 : 2;
  return waitedMs + executions * latencyMs <= answerWithinMs(settings.sloMs);
}
