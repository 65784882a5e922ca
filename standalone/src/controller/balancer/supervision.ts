/**
 * One invoker as a controller sees it. Source: `K/loadBalancer/InvokerSupervision.scala`.
 *
 *                 ping (enabled)              success, few errors
 *      offline ───────────────────> unhealthy ───────────────────> healthy
 *         ^  ^                        ^    ^                        │  │
 *         │  └── 10 s of silence ─────┤    └──── system errors ─────┘  │
 *         │      or a disabled ping   │                               │
 *         └───── likewise ────── unresponsive <───── timeouts ────────┘
 *
 * Time is passed in. Each method tells whether a health test is to be sent now.
 */
import { Outcomes } from '@tetris/load-balancer';

export type InvokerState = 'healthy' | 'unhealthy' | 'unresponsive' | 'offline';
export type Outcome = 'success' | 'system-error' | 'timeout';

/** The words of `GET /invokers`. */
export const STATE_WORDS: Readonly<Record<InvokerState, string>> = {
  healthy: 'up',
  unhealthy: 'unhealthy',
  unresponsive: 'unresponsive',
  offline: 'down',
};

export const SILENCE_MAX_MS = 10_000;
export const TEST_INTERVAL_MS = 60_000;

export class InvokerSupervision {
  #state: InvokerState;
  readonly #outcomes = new Outcomes<Outcome>();
  #heardMs: number;
  #testedMs: number;

  constructor(state: 'unhealthy' | 'offline', nowMs: number) {
    this.#state = state;
    this.#heardMs = nowMs;
    this.#testedMs = nowMs;
  }

  get state(): InvokerState {
    return this.#state;
  }

  ping(isEnabled: boolean, nowMs: number): boolean {
    this.#heardMs = nowMs;
    if (!isEnabled) return this.#goto('offline', nowMs);
    return this.#state === 'offline' && this.#goto('unhealthy', nowMs);
  }

  completion(outcome: Outcome, nowMs: number): boolean {
    this.#heardMs = nowMs;
    this.#outcomes.add(outcome);
    // A success of an unhealthy invoker asks for more, so that its errors leave the buffer soon.
    const again = this.#state === 'unhealthy' && outcome === 'success';
    if (this.#state === 'offline' || (this.#state === 'healthy' && outcome === 'success')) return false;
    const next = this.#judge(outcome);
    const entered = next !== undefined && next !== this.#state && this.#goto(next, nowMs);
    if (again) this.#testedMs = nowMs;
    return again || entered;
  }

  tick(nowMs: number): boolean {
    if (this.#state === 'offline') return false;
    if (nowMs - this.#heardMs >= SILENCE_MAX_MS) return this.#goto('offline', nowMs);
    if (this.#state === 'healthy' || nowMs - this.#testedMs < TEST_INTERVAL_MS) return false;
    this.#testedMs = nowMs;
    return true;
  }

  #judge(outcome: Outcome): InvokerState | undefined {
    if (this.#outcomes.tooMany('system-error')) return 'unhealthy';
    if (this.#outcomes.tooMany('timeout')) return 'unresponsive';
    if (outcome === 'success') return 'healthy';
    if (this.#outcomes.areTelling) return undefined;
    return outcome === 'timeout' ? 'unresponsive' : 'unhealthy';
  }

  #goto(state: InvokerState, nowMs: number): boolean {
    this.#state = state;
    const test = state === 'unhealthy' || state === 'unresponsive';
    if (test) this.#testedMs = nowMs;
    return test;
  }
}
