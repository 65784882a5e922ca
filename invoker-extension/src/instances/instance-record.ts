import type { InstanceSettings } from '../scaling/settings';
import type { Group } from './group';
import { type InstanceEvent, type InstanceState, nextState } from './instance-state';

/** Why an instance ends. */
export type EndReason = 'idle' | 'memory' | 'failed' | 'draining' | 'surplus';

/** How an activation was given to an instance at work; nothing is known of the one that it was started for. */
export interface Given {
  /** Epoch ms. */
  atMs: number;
  /** Activations that it had then, this one included. */
  count: number;
}

/** What the pool knows of a function instance. */
export interface Instance<Ticket> {
  /** Counts up from 1 in the invoker's life. */
  readonly id: number;
  readonly group: Group<Ticket>;
  state: InstanceState;
  readonly settings: InstanceSettings;
  /** Expected time of an execution, ms; undefined while nothing is known. */
  latencyMs: number | undefined;
  /** Activations it has. */
  readonly running: Map<Ticket, Given | undefined>;
  /** Mean time between its answers while it is at work, ms; undefined while nothing is known. */
  gapMs: number | undefined;
  /** Epoch ms of its creation. */
  readonly sinceMs: number;
  /** How long it took to become ready, ms. */
  startMs: number;
  lastUsedMs: number;
  /** Why it takes no more, once it does not. */
  drained?: EndReason;
}

/** @throws RangeError where the event cannot happen in the instance's state */
export function transit(instance: { state: InstanceState }, event: InstanceEvent): void {
  instance.state = nextState(instance.state, event);
}
