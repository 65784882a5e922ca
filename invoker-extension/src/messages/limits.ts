import type { Action, UserLimits } from '@tetris/common';

/** The invoker's own bounds on actions. Times in ms, memory and logs in MB, as in action documents. */
export interface ActionBounds {
  timeoutMs: { min: number; max: number };
  memoryMb: { min: number; max: number };
  logsMb: { min: number; max: number };
  concurrency: { min: number; max: number };
}

/**
 * The first limit of the action that lies outside the invoker's own bounds or the namespace's, in words; undefined
 * where all are inside. Source: facts of OpenWhisk 4.1 step 4.
 */
export function limitViolation(action: Action, bounds: ActionBounds, user: UserLimits): string | undefined {
  const { timeout, memory, logs, concurrency } = action.limits;
  return (
    outside('time', timeout, 'ms', bounds.timeoutMs, user.minActionTimeout, user.maxActionTimeout) ??
    outside('memory', memory, 'MB', bounds.memoryMb, user.minActionMemory, user.maxActionMemory) ??
    outside('log', logs, 'MB', bounds.logsMb, user.minActionLogs, user.maxActionLogs) ??
    outside('concurrency', concurrency, '', bounds.concurrency, user.minActionConcurrency, user.maxActionConcurrency)
  );
}

function outside(
  name: string,
  value: number,
  unit: string,
  bounds: { min: number; max: number },
  userMin: number | null | undefined,
  userMax: number | null | undefined,
): string | undefined {
  // A namespace's bound counts only within the invoker's own.
  const min = Math.max(bounds.min, userMin ?? bounds.min);
  const max = Math.min(bounds.max, userMax ?? bounds.max);
  const text = (limit: number): string => `${limit}${unit === '' ? '' : ` ${unit}`}`;
  if (value > max) return `${name} limit ${text(value)} exceeds allowed threshold of ${text(max)}`;
  if (value < min) return `${name} limit ${text(value)} below allowed threshold of ${text(min)}`;
  return undefined;
}
