import { type InvokerInstanceId, parseByteSize, type PingMessage } from '@tetris/common';
import { type Fractions, homeHash, homeWalk, invokersFor } from '@tetris/load-balancer';
import { NestedSemaphore } from './nested-semaphore';
import { InvokerSupervision, type InvokerState, type Outcome } from './supervision';
import type { OnViolation } from './violation';

/** What an activation takes from an invoker. */
export interface Claim {
  /** The action's name with version: an update starts new accounting. */
  action: string;
  concurrency: number;
  memoryMb: number;
}

export interface PoolOptions {
  /** Live controllers; each has its share of every invoker's memory. */
  clusterSize: number;
  /** Smallest action, MB: no invoker has fewer permits. */
  memoryMinMb: number;
  fractions: Fractions;
  /** Uniform in [0, 1). */
  random: () => number;
  onTest: (invoker: number) => void;
  onViolation: OnViolation;
}

interface Invoker {
  id: InvokerInstanceId;
  supervision: InvokerSupervision;
  semaphore: NestedSemaphore;
}

/** Permits of one invoker. */
export interface PermitBook {
  invoker: number;
  state: InvokerState;
  permits: number;
  /** Permits that activations hold, MB. */
  outstanding: number;
}

/**
 * All invokers of a controller: an array by instance id that never shrinks. Source: facts of {@link
 * InvokerSupervision}.
 */
export class InvokerPool {
  readonly #options: PoolOptions;
  readonly #invokers: Invoker[] = [];

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  ping({ name, isEnabled }: PingMessage, nowMs: number): void {
    const known = this.#invokers[name.instance];
    if (known === undefined) {
      this.#add(name, nowMs);
      this.#options.onTest(name.instance);
    } else {
      this.#noteCapacity(known, name);
      known.id = name;
    }
    if (this.#invokers[name.instance]?.supervision.ping(isEnabled ?? true, nowMs) === true) {
      this.#options.onTest(name.instance);
    }
  }

  completion(invoker: number, outcome: Outcome, nowMs: number): void {
    if (this.#invokers[invoker]?.supervision.completion(outcome, nowMs) === true) this.#options.onTest(invoker);
  }

  tick(nowMs: number): void {
    this.#invokers.forEach(({ supervision }, invoker) => {
      if (supervision.tick(nowMs)) this.#options.onTest(invoker);
    });
  }

  /**
   * Chooses an invoker and takes its permits.
   * @param action `namespace[/package]/action`
   * @returns undefined where no invoker is healthy
   */
  acquire(namespace: string, action: string, managed: boolean, claim: Claim): number | undefined {
    const invokers = invokersFor(this.#invokers, !managed, this.#options.fractions);
    for (const probe of homeWalk(homeHash(namespace, action), invokers.length)) {
      const invoker = invokers[probe];
      if (invoker?.supervision.state !== 'healthy') continue;
      if (invoker.semaphore.tryAcquire(claim.action, claim.concurrency, claim.memoryMb)) return invoker.id.instance;
    }
    return this.#overload(invokers, claim);
  }

  /** Returns permits to the invoker that an ack names; an unknown one is ignored, as stock does. */
  release(invoker: number, claim: Claim, activationId: string): void {
    const semaphore = this.#invokers[invoker]?.semaphore;
    if (semaphore === undefined || semaphore.release(claim.action, claim.concurrency, claim.memoryMb)) return;
    const text = `invoker${invoker} got permits for ${claim.action} that nobody had taken from it`;
    this.#options.onViolation({ kind: 'permits-not-held', text, activationId, invoker });
  }

  /** `["invoker3/tetris3", "healthy"]` for each invoker. */
  states(): [name: string, state: InvokerState][] {
    return this.#invokers.map(({ id, supervision }) => {
      const names = [id.uniqueName, id.displayedName].filter((name) => name != null);
      return [[`invoker${id.instance}`, ...names].join('/'), supervision.state];
    });
  }

  books(): PermitBook[] {
    return this.#invokers.map(({ supervision, semaphore }, invoker) => ({
      invoker,
      state: supervision.state,
      permits: semaphore.permits,
      outstanding: semaphore.permits - semaphore.available,
    }));
  }

  #overload(invokers: readonly Invoker[], claim: Claim): number | undefined {
    const healthy = invokers.filter(({ supervision }) => supervision.state === 'healthy');
    const chosen = healthy[Math.floor(this.#options.random() * healthy.length)];
    chosen?.semaphore.forceAcquire(claim.action, claim.concurrency, claim.memoryMb);
    return chosen?.id.instance;
  }

  /** Pads with offline entries up to the id, all with this ping's memory, and keeps that for good. */
  #add(id: InvokerInstanceId, nowMs: number): void {
    if (id.instance > this.#invokers.length) {
      const text = `first ping of invoker${id.instance} while only ${this.#invokers.length} lower ids are known`;
      this.#options.onViolation({ kind: 'ids-not-dense', text, invoker: id.instance });
    }
    for (let instance = this.#invokers.length; instance <= id.instance; instance += 1) {
      this.#invokers.push({
        id: { ...id, instance },
        supervision: new InvokerSupervision(instance === id.instance ? 'unhealthy' : 'offline', nowMs),
        semaphore: new NestedSemaphore(this.#permitsOf(id)),
      });
    }
  }

  #noteCapacity(known: Invoker, id: InvokerInstanceId): void {
    if (known.id.userMemory === id.userMemory) return;
    const text = `userMemory of invoker${id.instance} changed from ${known.id.userMemory} to ${id.userMemory}`;
    this.#options.onViolation({ kind: 'capacity-changed', text, invoker: id.instance });
  }

  #permitsOf(id: InvokerInstanceId): number {
    const megabytes = Math.floor((parseByteSize(id.userMemory) ?? 0) / 1024 ** 2);
    return Math.max(Math.floor(megabytes / this.#options.clusterSize), this.#options.memoryMinMb);
  }
}
