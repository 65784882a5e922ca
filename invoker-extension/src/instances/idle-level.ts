/** How much an idle instance keeps ready. Pure. */

/**
 * - `awake`: all.
 * - `asleep`: its sessions are freed, its view and leases stay; the next request loads them again, first without packing
 *   their weights.
 * - `ended`: its process is gone, what it ran in stays, and its view as well. The next request starts and initializes
 *   another, as OpenWhisk may do between any two activations.
 */
export const IDLE_LEVELS = ['awake', 'asleep', 'ended'] as const;
export type IdleLevel = (typeof IDLE_LEVELS)[number];

/** Those at which memory has been given back. */
export const RESTING_LEVELS = IDLE_LEVELS.slice(1);

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
  /** Idle time from which the process itself is. */
  endProcessAfterMs: number;
  /** Share of the budget from which idle instances give memory back; above 1 for never before somebody waits. */
  sleepPressure: number;
}

/**
 * Nothing is given back without pressure: no request is slower than it would be then. Actions with an objective give
 * back only where somebody waits, and instances that several activations share never do.
 */
export function idleLevel(view: IdleView, { sleepAfterMs, endProcessAfterMs, sleepPressure }: IdleSettings): IdleLevel {
  const isPressed = view.isShort || (!view.hasObjective && view.usedShare >= sleepPressure);
  if (view.room > 1 || !isPressed || view.idleMs < sleepAfterMs) return 'awake';
  return view.idleMs < endProcessAfterMs ? 'asleep' : 'ended';
}

/** Whether one keeps less than the other. */
export const isLower = (one: IdleLevel, other: IdleLevel): boolean =>
  IDLE_LEVELS.indexOf(one) > IDLE_LEVELS.indexOf(other);
