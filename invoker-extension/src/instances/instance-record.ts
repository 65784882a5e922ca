import type { Predictor } from '@tetris/common';
import type { InstanceSettings } from '../scaling/settings';
import type { Group } from './group';
import type { IdleLevel } from './idle-level';
import { type InstanceEvent, type InstanceState, nextState } from './instance-state';

/** Why an instance ends. */
export type EndReason = 'idle' | 'memory' | 'failed' | 'draining' | 'surplus' | 'grown';

/** What an instance says of the inference of one activation. */
export interface Execution {
  /** Requests that were executed together; 0 where that tells nothing, so that an execution is counted once. */
  requests: number;
  executionMs: number;
  /** Time before, in the instance, ms. */
  waitedMs: number;
}

/** What the pool knows of a function instance. */
export interface Instance<Ticket> {
  /** Counts up from 1 in the invoker's life. */
  readonly id: number;
  readonly group: Group<Ticket>;
  state: InstanceState;
  readonly settings: InstanceSettings;
  /** How long its executions take: that of all of its group that run alike. */
  readonly predictor: Predictor;
  /** Activations it has, and when it got them, epoch ms; undefined for the one that it was started for. */
  readonly running: Map<Ticket, number | undefined>;
  /** Epoch ms of its creation. */
  readonly sinceMs: number;
  /** How long it took to become ready, ms. */
  startMs: number;
  lastUsedMs: number;
  /** What it keeps ready while it is idle. */
  level: IdleLevel;
  /** The instance that ends when this one is ready. */
  replaces?: number;
  /** Why it takes no more, once it does not. */
  drained?: EndReason;
}

/** What people are told of an instance: an idle one that has given memory back by what it keeps, others by state. */
export function stateShown({ state, level }: Pick<Instance<unknown>, 'state' | 'level'>): InstanceState | IdleLevel {
  return level !== 'awake' && (state === 'warm' || state === 'paused') ? level : state;
}

/** @throws RangeError where the event cannot happen in the instance's state */
export function transit(instance: { state: InstanceState }, event: InstanceEvent): void {
  instance.state = nextState(instance.state, event);
}
