import type { Identity } from '@tetris/common';
import type { ShardingBalancer } from './balancer/sharding-balancer';
import type { SystemLimits } from './limits';
import { RestError } from './rest-error';
import { TEXTS } from './texts';

const MINUTE_MS = 60_000;

/** Whether one more activation of an action would only make another one late. */
export type IsSurplus = (namespace: string, action: string) => boolean;

/** How often a namespace may invoke and fire, and how much at once; its own limits win over the system's. */
export class Throttles {
  readonly #limits: SystemLimits;
  readonly #balancer: Pick<ShardingBalancer, 'countOf'>;
  readonly #isSurplus: IsSurplus;
  readonly #now: () => number;
  readonly #invocations = new RateThrottle();
  readonly #fires = new RateThrottle();

  constructor(
    limits: SystemLimits,
    {
      balancer,
      isSurplus,
      now,
    }: { balancer: Pick<ShardingBalancer, 'countOf'>; isSurplus: IsSurplus; now: () => number },
  ) {
    this.#limits = limits;
    this.#balancer = balancer;
    this.#isSurplus = isSurplus;
    this.#now = now;
  }

  /** @param action by the name under which it is asked for @throws RestError 429 */
  checkInvocation({ namespace: { name }, limits }: Identity, action: string): void {
    const { concurrentInvocations, invocationsPerMinute } = this.#limits;
    checkConcurrency(this.#balancer.countOf(name), limits.concurrentInvocations ?? concurrentInvocations);
    if (this.#isSurplus(name, action)) throw new RestError(429, TEXTS.surplus(action));
    this.#invocations.check(name, limits.invocationsPerMinute ?? invocationsPerMinute, this.#now());
  }

  /** @throws RestError 429 */
  checkFire({ namespace: { name }, limits }: Identity): void {
    this.#fires.check(name, limits.firesPerMinute ?? this.#limits.firesPerMinute, this.#now());
  }
}

/** What each namespace did within the present minute. Source: `K/entitlement/RateThrottler.scala`. */
class RateThrottle {
  readonly #counts = new Map<string, number>();
  #minute = 0;

  /** @throws RestError 429 */
  check(namespace: string, allowed: number, nowMs: number): void {
    const minute = Math.floor(nowMs / MINUTE_MS);
    if (minute !== this.#minute) this.#counts.clear();
    this.#minute = minute;
    const count = (this.#counts.get(namespace) ?? 0) + 1;
    if (count > allowed) throw tooMany('requests in the last minute', count, allowed);
    this.#counts.set(namespace, count);
  }
}

/** @throws RestError 429 */
function checkConcurrency(inFlight: number, allowed: number): void {
  if (inFlight >= allowed) throw tooMany('concurrent requests in flight', inFlight + 1, allowed);
}

function tooMany(what: string, count: number, allowed: number): RestError {
  return new RestError(429, `Too many ${what} (count: ${count}, allowed: ${allowed}).`);
}
