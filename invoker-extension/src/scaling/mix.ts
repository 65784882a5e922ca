/**
 * The instances that serve a rate within the cores and the memory that there are: all of them planned at once, whatever
 * lives now. Pure.
 *
 * Where nothing is short, {@link planInstances} adds what is missing. Where cores or memory end first, adding does not
 * help, and the most efficient shape is not always part of the answer: this is a knapsack in two dimensions. It is
 * solved exactly by cores, with a frontier of (rate, memory) for each number of them.
 */
import { BYTES_PER_MB, meetsSlo, type ProfileRow, serviceRate } from './profile';

export interface MixLimits {
  /** Cores that the instances may keep busy together. */
  cores: number;
  /** Private bytes of all of them. */
  bytes: number;
  instancesMax: number;
}

export interface MixOptions extends MixLimits {
  /** Requests per second. */
  rate: number;
  sloMs: number;
  /** MB that one core is worth. */
  alpha: number;
}

export interface Mix<Row extends ProfileRow = ProfileRow> {
  /** One for each instance. */
  rows: Row[];
  /** Requests per second they serve together. */
  rate: number;
}

/** Instances so far; their rows hang together backwards, so that mixes share what they have in common. */
interface Bundle<Row extends ProfileRow> {
  rate: number;
  bytes: number;
  count: number;
  last: { row: Row; before: Bundle<Row> } | undefined;
}

/**
 * Mixes remembered for each number of cores; of more, those that serve most are kept, and memory may not be the least.
 */
const FRONTIER_MAX = 64;

/** The cheapest mix that serves the rate; where none does, the one that serves most. */
export function bestMix<Row extends ProfileRow>(rows: readonly Row[], options: MixOptions): Mix<Row> {
  const { rate, cores, sloMs, alpha } = options;
  const usable = rows.filter((row) => meetsSlo(row, sloMs) && serviceRate(row) > 0);
  const nothing: Bundle<Row> = { rate: 0, bytes: 0, count: 0, last: undefined };
  const frontiers: Bundle<Row>[][] = Array.from({ length: Math.max(0, Math.floor(cores)) + 1 }, () => [nothing]);
  for (const row of usable) {
    const step = Math.max(1, Math.ceil(row.cpu));
    for (let used = step; used < frontiers.length; used += 1) {
      const grown = (frontiers[used - step] ?? []).flatMap((before) => plus(before, row, options));
      frontiers[used] = frontier([...(frontiers[used] ?? []), ...grown]);
    }
  }
  let best = { mix: nothing, cost: 0 };
  for (const [used, mixes] of frontiers.entries()) {
    for (const mix of mixes) {
      const cost = mix.bytes / BYTES_PER_MB + alpha * used;
      const more = Math.min(mix.rate, rate) - Math.min(best.mix.rate, rate);
      if (more > 0 || (more === 0 && cost < best.cost)) best = { mix, cost };
    }
  }
  return { rows: rowsOf(best.mix), rate: best.mix.rate };
}

/** One instance more; none where it would serve nobody or passes a limit. */
function plus<Row extends ProfileRow>(before: Bundle<Row>, row: Row, limits: MixOptions): Bundle<Row>[] {
  const bytes = before.bytes + row.privateBytes;
  const count = before.count + 1;
  if (before.rate >= limits.rate || bytes > limits.bytes || count > limits.instancesMax) return [];
  return [{ rate: before.rate + serviceRate(row), bytes, count, last: { row, before } }];
}

/** Those that no other one equals in rate with neither more memory nor more instances; the highest rate first. */
function frontier<Row extends ProfileRow>(mixes: Bundle<Row>[]): Bundle<Row>[] {
  const kept: Bundle<Row>[] = [];
  for (const mix of mixes.sort((one, other) => other.rate - one.rate || one.bytes - other.bytes)) {
    const beaten = kept.some(({ bytes, count }) => bytes <= mix.bytes && count <= mix.count);
    if (!beaten && kept.length < FRONTIER_MAX) kept.push(mix);
  }
  return kept;
}

function rowsOf<Row extends ProfileRow>({ last }: Bundle<Row>): Row[] {
  return last === undefined ? [] : [...rowsOf(last.before), last.row];
}
