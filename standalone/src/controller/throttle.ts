import { RestError } from './rest-error';

const MINUTE_MS = 60_000;

/** Invocations of each namespace within the present minute. Source: `K/entitlement/RateThrottler.scala`. */
export class RateThrottle {
  readonly #counts = new Map<string, number>();
  #minute = 0;

  /** @throws RestError 429 */
  check(namespace: string, allowed: number, nowMs: number): void {
    const minute = Math.floor(nowMs / MINUTE_MS);
    if (minute !== this.#minute) this.#counts.clear();
    this.#minute = minute;
    const count = (this.#counts.get(namespace) ?? 0) + 1;
    if (count > allowed) throw tooMany('requests in this minute', count, allowed);
    this.#counts.set(namespace, count);
  }
}

/** @throws RestError 429 */
export function checkConcurrency(inFlight: number, allowed: number): void {
  if (inFlight >= allowed) throw tooMany('concurrent requests', inFlight + 1, allowed);
}

function tooMany(what: string, count: number, allowed: number): RestError {
  return new RestError(429, `Too many ${what} (count: ${count}, allowed: ${allowed}).`);
}
