/** How much an idle instance keeps ready. Pure. */

/**
 * `asleep`: its sessions are freed, its view and leases stay; the next request loads them again, first without packing
 * their weights.
 */
export type IdleLevel = 'awake' | 'asleep';

/** What is known of an idle instance and of its node. */
export interface IdleView {
  idleMs: number;
  /** Activations that the instance takes at once. */
  room: number;
  /** Its action has a latency objective. */
  hasObjective: boolean;
  /** Somebody waits for memory. */
  isShort: boolean;
  /** Used memory over the budget. */
  usedShare: number;
}

export interface IdleSettings {
  /** Idle time before which nothing is given back, ms. */
  sleepAfterMs: number;
  /** Share of the budget from which idle instances give memory back; above 1 for never before somebody waits. */
  sleepPressure: number;
}

/**
 * Nothing sleeps without pressure: no request is slower than it would be then. Actions with an objective sleep only
 * where somebody waits, and instances that several activations share never do.
 */
export function idleLevel(view: IdleView, { sleepAfterMs, sleepPressure }: IdleSettings): IdleLevel {
  if (view.room > 1 || view.idleMs < sleepAfterMs) return 'awake';
  if (view.isShort) return 'asleep';
  return !view.hasObjective && view.usedShare >= sleepPressure ? 'asleep' : 'awake';
}
