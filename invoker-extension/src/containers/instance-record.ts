import type { Group } from './group';
import { type InstanceEvent, type InstanceState, nextState } from './instance-state';

/** What the pool knows of a function instance. */
export interface Instance<Ticket> {
  /** Counts up from 1 in the invoker's life. */
  readonly id: number;
  readonly group: Group<Ticket>;
  state: InstanceState;
  /** Activations it takes at once. */
  readonly room: number;
  /** Activations it has. */
  readonly running: Set<Ticket>;
  /** Epoch ms of its creation. */
  readonly sinceMs: number;
  /** How long it took to become ready, ms. */
  startMs: number;
  lastUsedMs: number;
}

/** @throws RangeError where the event cannot happen in the instance's state */
export function transit(instance: { state: InstanceState }, event: InstanceEvent): void {
  instance.state = nextState(instance.state, event);
}
