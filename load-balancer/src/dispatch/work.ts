/** What activations of an action are expected to cost, for fair shares. Pure. */
import { movingMean } from '@tetris/common/clock';
import { LRUCache } from 'lru-cache';

/** Nothing is free: an action of no time at all would never give way. */
const LEAST_MS = 1;
/** Weight of the newest in the mean. */
const NEWEST = 0.1;

/** A moving mean of durations, by action and invoking namespace. */
export class WorkEstimates {
  readonly #meansMs: LRUCache<string, number>;
  readonly #unknownMs: number;

  /**
   * @param actionsMax the longest unused are forgotten
   * @param unknownMs taken of an action that has not answered yet
   */
  constructor(actionsMax: number, unknownMs: number) {
    this.#unknownMs = unknownMs;
    this.#meansMs = new LRUCache({ max: actionsMax });
  }

  costMs(queue: string): number {
    return Math.max(LEAST_MS, this.#meansMs.get(queue) ?? this.#unknownMs);
  }

  ended(queue: string, durationMs: number): void {
    this.#meansMs.set(queue, movingMean(this.#meansMs.get(queue), durationMs, NEWEST));
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
