/** Ways to cover a rate with instances within an objective: what each would cost. Pure. */
import {
  batchWaitMs,
  cost,
  efficiency,
  meetsSlo,
  planInstances,
  type ProfileRow,
  serviceRate,
} from '@tetris/invoker-extension';

export interface Demand {
  /** Requests per second. */
  rate: number;
  sloMs: number;
  /** MB that one core is worth. */
  alpha: number;
}

/** @returns the cost; Infinity where the rule covers the rate by none */
export type Rule = (rows: readonly ProfileRow[], demand: Demand) => number;

const INSTANCES_MAX = 100_000;

/** What the product plans. */
export const ours: Rule = (rows, demand) => {
  const plan = planInstances(rows, { ...demand, instancesMax: INSTANCES_MAX });
  return plan.covers ? plan.cost : Infinity;
};

/**
 * The paper's: the most efficient row that meets the objective, as often as the rate fills it; then the same for what is
 * left, among the rows that what is left can fill in time; the last one covers the rest.
 */
export const paper: Rule = (rows, { rate, sloMs, alpha }) => {
  let [left, total] = [rate, 0];
  while (left > 0) {
    const remaining = left;
    const row = best(
      usable(rows, sloMs).filter((each) => remaining >= lowestUsefulRate(each, sloMs)),
      alpha,
    );
    if (row === undefined) return Infinity;
    const count = Math.max(1, Math.floor(left / serviceRate(row)));
    total += count * cost(row, alpha);
    left -= count * serviceRate(row);
  }
  return total;
};

/** The lowest rate, requests per second, at which batches fill before their wait ends; 0 for single requests. */
function lowestUsefulRate(row: ProfileRow, sloMs: number): number {
  const waitMs = batchWaitMs(row, sloMs);
  if (row.batch === 1) return 0;
  return waitMs === 0 ? Number.POSITIVE_INFINITY : (1000 * row.batch * row.concurrency) / waitMs;
}

/** One shape for the whole function: the one that covers the rate at the least cost. */
export const oneShape: Rule = (rows, { rate, sloMs, alpha }) =>
  Math.min(...usable(rows, sloMs).map((row) => Math.ceil(rate / serviceRate(row)) * cost(row, alpha)));

/**
 * The least cost of any instances that serve the rate together: a minimum knapsack, solved exactly by branch and bound
 * along the rows by efficiency. No rule can do better, as it asks nothing of how batches fill.
 */
export const optimum: Rule = (rows, { rate, sloMs, alpha }) => {
  const sorted = undominated(usable(rows, sloMs), alpha);
  let least = Infinity;
  const search = (at: number, left: number, spent: number): void => {
    if (left <= 0) {
      least = Math.min(least, spent);
      return;
    }
    const row = sorted[at];
    if (row === undefined) return;
    const [served, price] = [serviceRate(row), cost(row, alpha)];
    for (let count = Math.ceil(left / served); count >= 0; count -= 1) {
      // What is left costs at least as much as at the efficiency of this row, the best of those that follow.
      if (spent + count * price + (Math.max(0, left - count * served) / served) * price >= least) {
        if (count * served >= left) continue;
        return;
      }
      search(at + 1, left - count * served, spent + count * price);
    }
  };
  search(0, rate, 0);
  return least;
};

const usable = (rows: readonly ProfileRow[], sloMs: number): ProfileRow[] =>
  rows.filter((row) => meetsSlo(row, sloMs) && serviceRate(row) > 0);

function best(rows: readonly ProfileRow[], alpha: number): ProfileRow | undefined {
  return [...rows].sort((one, other) => efficiency(other, alpha) - efficiency(one, alpha))[0];
}

/** By efficiency, without those that another one beats in rate at no higher cost. */
function undominated(rows: readonly ProfileRow[], alpha: number): ProfileRow[] {
  const beats = (one: ProfileRow, other: ProfileRow): boolean =>
    serviceRate(one) >= serviceRate(other) && cost(one, alpha) <= cost(other, alpha) && one !== other;
  return rows
    .filter((row, at) => !rows.some((other, from) => beats(other, row) && (!beats(row, other) || from < at)))
    .sort((one, other) => efficiency(other, alpha) - efficiency(one, alpha));
}
