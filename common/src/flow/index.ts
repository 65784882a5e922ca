/** Waiting with bounds: turns, pauses, attempts. Light: every function instance may load it. */
export { type Backoff, pauseMs } from './backoff';
export { type Clock, type Sleep, SYSTEM_CLOCK } from './clock';
export { retry, type RetryOptions } from './retry';
export { untilAborted } from './until-aborted';
export { within } from './within';
export { Semaphore } from './semaphore';
export { SingleFlight } from './single-flight';
