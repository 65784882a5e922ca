/** Waiting with bounds: turns, pauses, attempts. Light: every function instance may load it. */
export { type Backoff, pauseMs } from './backoff';
export { retry, type RetryOptions, type Sleep } from './retry';
export { Semaphore } from './semaphore';
export { SingleFlight } from './single-flight';
