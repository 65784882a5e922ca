/**
 * Which instances serve a rate within the objective at the least cost. Pure.
 *
 * Covering a rate with unlike instances is a minimum knapsack. The paper takes the most efficient row until the rate is
 * covered; its last instance can then be far too large. Here that is where a search by branch and bound begins, which is
 * exact if it ends within its steps: by `npm run bench -- scaling` a plan costs at most 1.05 times the optimum.
 *
 * A row's batch is the most that an instance joins: one that fewer requests reach answers them too, as a batch is closed
 * when its oldest member could not wait longer. So any row may serve the remainder, which the paper's may not.
 */
import { cost, efficiency, meetsSlo, type ProfileRow, serviceRate } from './profile';

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

/** Counts of instances that are tried: of 15,000 random cases, one in a thousand needs more. */
const STEPS_MAX = 1_000;

/** Plans the instances to add. An empty plan covers a rate of zero. */
export function planInstances<Row extends ProfileRow>(rows: readonly Row[], options: PlanOptions): Plan<Row> {
  const { rate, sloMs, alpha, instancesMax } = options;
  const usable = undominated(
    rows.filter((row) => meetsSlo(row, sloMs) && serviceRate(row) > 0),
    alpha,
  );
  let best = summary<Row>([], options);
  let steps = 0;
  const search = (at: number, before: Plan<Row>): void => {
    const row = usable[at];
    if (row === undefined) return;
    const [served, price] = [serviceRate(row), cost(row, alpha)];
    const room = instancesMax - before.instances.reduce((sum, { count }) => sum + count, 0);
    const fitting = Math.min(room, Math.ceil((rate - before.rate - RATE_EPSILON) / served));
    for (let count = fitting; count >= 0 && steps < STEPS_MAX; count -= 1) {
      steps += 1;
      const plan = count === 0 ? before : summary([...before.instances, { row, count }], options);
      best = cheaper(best, plan);
      if (plan.covers) continue;
      // What is left costs at least what it would by this row, the most efficient of those that follow.
      if (best.covers && plan.cost + ((rate - plan.rate) / served) * price >= best.cost) return;
      search(at + 1, plan);
    }
  };
  search(0, best);
  return best;
}

/** The most efficient first, without those that serve no more than another one and cost no less. */
function undominated<Row extends ProfileRow>(rows: readonly Row[], alpha: number): Row[] {
  const sorted = [...rows].sort((one, other) => efficiency(other, alpha) - efficiency(one, alpha));
  const beats = (one: Row, other: Row): boolean =>
    serviceRate(one) >= serviceRate(other) && cost(one, alpha) <= cost(other, alpha);
  // Of equals the first stays; whatever beats a row is at least as efficient, hence before it.
  return sorted.filter((row, at) => !sorted.slice(0, at).some((other) => beats(other, row)));
}

function summary<Row extends ProfileRow>(instances: PlannedInstances<Row>[], { rate, alpha }: PlanOptions): Plan<Row> {
  const served = instances.reduce((sum, { row, count }) => sum + count * serviceRate(row), 0);
  const total = instances.reduce((sum, { row, count }) => sum + count * cost(row, alpha), 0);
  return { instances, rate: served, cost: total, covers: served >= rate - RATE_EPSILON };
}

/**
 * A plan that covers beats one that does not; then the cheaper; among those that fall short, the one that serves more.
 */
function cheaper<Row extends ProfileRow>(one: Plan<Row>, other: Plan<Row>): Plan<Row> {
  if (one.covers !== other.covers) return one.covers ? one : other;
  if (!one.covers) return other.rate > one.rate ? other : one;
  return other.cost < one.cost ? other : one;
}
