/**
 * Fault points: the named places at which a test ends the daemon as a power cut or the kernel's memory killer would.
 * One is armed by the configuration key `faultPoint`, meant for tests; without it a fault point does nothing.
 *
 *     <what changes>:<what has just been done>
 */
export const FAULT_POINTS = [
  'upload:begun',
  'upload:written',
  'upload:kept',
  'ingest:begun',
  'ingest:staged',
  'ingest:optimized',
  'ingest:cut',
  'publish:written',
  'publish:staged',
  'publish:graph',
  'commit:manifest',
  'commit:linked',
  'commit:renamed',
  'lease:bound',
  'lease:made',
  'view:begun',
  'view:linked',
  'view:graph',
  'view:renamed',
  'view:hidden',
  'view:emptied',
  'view:removed',
  'instance:written',
  'instance:registered',
  'instance:folder',
  'instance:unregistered',
  'instance:released',
  'instance:removed',
  'reclaim:model',
  'reclaim:tensor',
  'trash:renamed',
  'demote:begun',
  'demote:held',
  'demote:tensor',
  'demote:graph',
  'restore:begun',
  'restore:held',
  'fetch:opened',
  'fetch:written',
  'restore:placed',
  'restore:complete',
  'original:written',
  'original:kept',
  'original:brought',
  'recover:swept',
  'recover:catalog',
  'recover:views',
  'recover:orphans',
] as const;
export type FaultPoint = (typeof FAULT_POINTS)[number];

/** What ends the process: a point, and how often it is passed before. Plain, so that a thread can be given it. */
export interface Fault {
  point: FaultPoint;
  passes: number;
}

let armed: Fault | undefined;

/** `view:linked`, or `publish:linked@2` for the second time. @throws RangeError where there is no such point */
export function parseFault(text: string): Fault {
  const [name, times = '1'] = text.split('@', 2);
  const point = FAULT_POINTS.find((each) => each === name);
  if (point === undefined || !/^[1-9]\d*$/.test(times)) throw new RangeError(`there is no fault point '${text}'`);
  return { point, passes: Number(times) - 1 };
}

/** Arms a fault for this thread. */
export function armFault(fault: Fault | undefined): void {
  armed = fault && { ...fault };
}

/** What is armed, for threads. */
export function armedFault(): Fault | undefined {
  return armed;
}

/** Ends the process here, at once and without a trace, where this point is armed. */
export function faultPoint(point: FaultPoint): void {
  if (armed?.point !== point) return;
  if (armed.passes-- <= 0) process.kill(process.pid, 'SIGKILL');
}
