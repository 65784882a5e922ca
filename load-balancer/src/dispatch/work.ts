/** What activations of an action are expected to cost, for fair shares. Pure. */
import { LRUCache } from 'lru-cache';

/** Of an action that has not answered yet, ms. */
const UNKNOWN_MS = 100;
/** Nothing is free: an action of no time at all would never give way. */
const LEAST_MS = 1;
/** Weight of the newest in the mean. */
const NEWEST = 0.1;

/** A moving mean of durations, by action and invoking namespace. */
export class WorkEstimates {
  readonly #meansMs: LRUCache<string, number>;

  /** @param actionsMax the longest unused are forgotten */
  constructor(actionsMax: number) {
    this.#meansMs = new LRUCache({ max: actionsMax });
  }

  costMs(queue: string): number {
    return Math.max(LEAST_MS, this.#meansMs.get(queue) ?? UNKNOWN_MS);
  }

  ended(queue: string, durationMs: number): void {
    const meanMs = this.#meansMs.get(queue) ?? durationMs;
    this.#meansMs.set(queue, meanMs + NEWEST * (durationMs - meanMs));
  }
}

/** Weights of namespaces: `guest=2` gives those of `guest` twice the share of others. */
export class NamespaceWeights {
  readonly #weights: ReadonlyMap<string, number>;

  /** @param items as {@link weightProblem} finds them good */
  constructor(items: readonly string[]) {
    this.#weights = new Map(items.map(parsed));
  }

  of(namespace: string): number {
    return this.#weights.get(namespace) ?? 1;
  }
}

/** What is wrong with `namespace=weight`; undefined where nothing is. */
export function weightProblem(item: string): string | undefined {
  const [namespace, weight] = parsed(item);
  if (namespace !== '' && weight >= WEIGHT_MIN && weight <= WEIGHT_MAX) return undefined;
  return `takes namespace=weight with a weight of ${WEIGHT_MIN} to ${WEIGHT_MAX}; got '${item}'`;
}

const WEIGHT_MIN = 0.01;
const WEIGHT_MAX = 1_000;

function parsed(item: string): [namespace: string, weight: number] {
  const at = item.lastIndexOf('=');
  return [item.slice(0, Math.max(0, at)), Number(item.slice(at + 1).trim() || Number.NaN)];
}
