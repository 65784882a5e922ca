import Table from 'cli-table3';
import { rounded } from '../measure/statistics';
import type { Service } from '../sharing/attainment';
import type { Capacity, ClosedLoopFigures } from './capacity';
import type { Processors } from './processor-shares';
import { type Load, type OpenLoad, OVERLOAD } from './settings';

/** Where a measurement belongs. */
export interface PointKey {
  function: string;
  load: Load;
  neighbour: boolean;
}

export type OpenPointKey = PointKey & { load: OpenLoad };

/** How many answers there are in closed loops of ever more callers, and within the objective. */
export interface ClosedPoint extends PointKey {
  load: 'closed';
  sloMs: number;
  loops: ClosedLoopFigures[];
}

export interface PointFigures extends OpenPointKey, Omit<Service, 'throughput'> {
  sloMs: number;
  /** Right answers per second before and after. */
  capacityBefore: Capacity;
  capacityAfter: Capacity;
  /** What goodput is compared with. */
  capacity: number;
  /** Offered, requests per second. */
  rate: number;
  /** Right answers within the objective a second, and over capacity. */
  goodput: number;
  goodputRatio: number;
  /**
   * What that could be: no more than is offered while the neighbour rests, and than the node can answer beside it. Below 1
   * at a load of about 1, as what a rest leaves unused is not there in a burst.
   */
  possibleRatio: number;
  /** Requests that were refused at once, those of the warm-up included: more were under way than a namespace may have. */
  refused: number;
  processors: Processors;
  /** Of the load with a burst only; null where attainment did not come back while it was watched. */
  recoverySeconds?: number | null;
}

/** What the suite is about; null for what was not measured. */
export interface OverloadFigures {
  /** Least goodput over capacity at a load of 1 and more. */
  goodputWorst: number | null;
  /** The same over what is possible. */
  goodputOfPossibleWorst: number | null;
  /** Least attainment below that, without and with the neighbour. */
  attainmentQuiet: number | null;
  attainmentNeighbour: number | null;
  /** Longest; null, too, where one did not recover. */
  recoverySeconds: number | null;
  /** Least of what closed loops get answered within the objective over what they get answered at all. */
  withinObjectiveWorst: number | null;
}

/** The most answers within the objective, whatever the number of callers, over those of the callers that saturate. */
export function withinObjective({ loops }: ClosedPoint): number {
  const most = Math.max(...loops.map(({ withinPerSecond }) => withinPerSecond));
  return rounded(most / (loops.at(-1)?.perSecond ?? NaN));
}

export function overloadFigures(points: readonly PointFigures[], closed: readonly ClosedPoint[]): OverloadFigures {
  const steady = points.filter((point) => point.load !== 'recovery');
  const above = steady.filter(({ load }) => Number(load) >= OVERLOAD);
  const below = (neighbour: boolean): number[] =>
    steady
      .filter((point) => Number(point.load) < OVERLOAD && point.neighbour === neighbour)
      .map(({ sloAttainment }) => sloAttainment);
  const recoveries = points.flatMap((point) => point.recoverySeconds ?? (point.load === 'recovery' ? Infinity : []));
  const longest = recoveries.length === 0 ? Infinity : Math.max(...recoveries);
  return {
    goodputWorst: least(above.map(({ goodputRatio }) => goodputRatio)),
    goodputOfPossibleWorst: least(
      above.map(({ goodputRatio, possibleRatio }) => rounded(goodputRatio / possibleRatio)),
    ),
    attainmentQuiet: least(below(false)),
    attainmentNeighbour: least(below(true)),
    recoverySeconds: Number.isFinite(longest) ? longest : null,
    withinObjectiveWorst: least(closed.map(withinObjective)),
  };
}

const least = (values: readonly number[]): number | null => (values.length === 0 ? null : Math.min(...values));

export const isAt =
  (key: PointKey) =>
  (point: PointKey): boolean =>
    point.function === key.function && point.load === key.load && point.neighbour === key.neighbour;

export const labelOf = ({ function: name, load, neighbour }: PointKey): string =>
  `${name} ${LABELS[load] ?? `at ${load}`}${neighbour ? ' beside a neighbour' : ''}`;

const LABELS: Readonly<Record<string, string>> = { recovery: 'burst', closed: 'in closed loops' };

export function pointTable(points: readonly PointFigures[]): string {
  const table = new Table({
    head: [
      'point',
      'capacity/s',
      'offered/s',
      'goodput',
      'possible',
      'in SLO',
      'p50 ms',
      'p99 ms',
      'errors',
      'client + platform + instances',
      'recovery s',
    ],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const point of points) {
    const { capacity, rate, goodputRatio, possibleRatio, sloAttainment, latencyMs, errors, sloMs, processors } = point;
    const share = `${(100 * sloAttainment).toFixed(2)} %`;
    const recovery = point.load === 'recovery' ? (point.recoverySeconds ?? 'never') : '';
    const label = `${labelOf(point)}, SLO ${sloMs} ms`;
    const figures = [rounded(capacity, 1), rounded(rate, 1), rounded(goodputRatio), rounded(possibleRatio), share];
    table.push([label, ...figures, latencyMs.p50, latencyMs.p99, errors, sharesOf(processors), recovery]);
  }
  return table.toString();
}

const sharesOf = ({ client, platform, instances }: Processors): string => [client, platform, instances].join(' + ');

/** Answers a second and, of these, within the objective, by the number of callers. */
export function closedTable(points: readonly ClosedPoint[]): string {
  const callers = points[0]?.loops.map((loop) => loop.callers) ?? [];
  const table = new Table({
    head: ['answers/s, within the objective', ...callers.map((count) => `${count} callers`), 'most within / most'],
    colAligns: ['left', ...callers.map(() => 'right' as const), 'right'],
    style: { head: [], border: [] },
  });
  for (const point of points) {
    const rates = point.loops.map(({ perSecond, withinPerSecond }) => `${perSecond}, ${withinPerSecond}`);
    table.push([`${labelOf(point)}, SLO ${point.sloMs} ms`, ...rates, withinObjective(point)]);
  }
  return table.toString();
}
