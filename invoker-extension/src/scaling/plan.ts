/**
 * Which instances serve a rate within the objective at the least cost. Pure.
 *
 * Covering a rate with unlike instances is a minimum knapsack. The paper takes the most efficient row until the rate is
 * covered; its last instance can then be far too large. This plan goes down the rows by efficiency and remembers, at
 * each, what it would cost to close the remainder with one instance of that row, which bounds the cost by twice the
 * optimum whenever the remainder may use any row (Csirik et al., 1991).
 */
import { cost, efficiency, lowestUsefulRate, meetsSlo, type ProfileRow, serviceRate } from './profile';

export interface PlanOptions {
  /** Requests per second that the present instances do not serve. */
  rate: number;
  sloMs: number;
  /** MB that one core is worth. */
  alpha: number;
  /** Bound on the plan's instances. */
  instancesMax: number;
}

/** Instances of one row. */
export interface PlannedInstances<Row extends ProfileRow = ProfileRow> {
  row: Row;
  count: number;
}

export interface Plan<Row extends ProfileRow = ProfileRow> {
  instances: PlannedInstances<Row>[];
  /** Requests per second they serve together. */
  rate: number;
  cost: number;
  /** False where no row meets the objective, or the bound on instances was reached first. */
  covers: boolean;
}

/** Rates closer than this are equal; requests per second. */
const RATE_EPSILON = 1e-9;

/** Plans the instances to add. An empty plan covers a rate of zero. */
export function planInstances<Row extends ProfileRow>(rows: readonly Row[], options: PlanOptions): Plan<Row> {
  const usable = rows
    .filter((row) => meetsSlo(row, options.sloMs) && serviceRate(row) > 0)
    .sort((one, other) => efficiency(other, options.alpha) - efficiency(one, options.alpha));
  if (options.rate <= RATE_EPSILON) return summary([], options);

  let best: Plan<Row> | undefined;
  let taken: PlannedInstances<Row>[] = [];
  let residual = options.rate;
  for (const row of usable) {
    const rate = serviceRate(row);
    const room = options.instancesMax - taken.reduce((sum, { count }) => sum + count, 0);
    const count = Math.min(Math.floor((residual + RATE_EPSILON) / rate), room);
    if (count > 0) {
      taken = [...taken, { row, count }];
      residual -= count * rate;
    }
    best = cheaper(best, summary(taken, options));
    // One more of this row closes the gap, if the remainder is enough to fill its batches in time.
    if (count < room && residual >= lowestUsefulRate(row, options.sloMs)) {
      best = cheaper(best, summary(plusOne(taken, row), options));
    }
  }
  return best ?? summary([], options);
}

function plusOne<Row extends ProfileRow>(
  instances: readonly PlannedInstances<Row>[],
  row: Row,
): PlannedInstances<Row>[] {
  const last = instances.at(-1);
  if (last?.row === row) return [...instances.slice(0, -1), { row, count: last.count + 1 }];
  return [...instances, { row, count: 1 }];
}

function summary<Row extends ProfileRow>(instances: PlannedInstances<Row>[], { rate, alpha }: PlanOptions): Plan<Row> {
  const served = instances.reduce((sum, { row, count }) => sum + count * serviceRate(row), 0);
  const total = instances.reduce((sum, { row, count }) => sum + count * cost(row, alpha), 0);
  return { instances, rate: served, cost: total, covers: served >= rate - RATE_EPSILON };
}

/**
 * A plan that covers beats one that does not; then the cheaper; among those that fall short, the one that serves more.
 */
function cheaper<Row extends ProfileRow>(one: Plan<Row> | undefined, other: Plan<Row>): Plan<Row> {
  if (one === undefined) return other;
  if (one.covers !== other.covers) return one.covers ? one : other;
  if (!one.covers) return other.rate > one.rate ? other : one;
  return other.cost < one.cost ? other : one;
}
