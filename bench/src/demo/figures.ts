import { median, megabytes, rounded, sum } from '../measure/statistics';
import type { GrowthStep, LatencyComparison } from './comparison';

/** The demo's figures: the keys of its JSON file. */
export interface Figures {
  /** Instances of the transformer, over both functions. The totals are of these alone. */
  instances: number;
  /** Instances, daemon, platform and store. */
  sharedTotalMb: number;
  stockTotalMb: number;
  totalRatio: number;
  /** Growth of the total by one more instance of a model that is in the store, mean. */
  nextInstanceMb: number;
  /** Growth of the store by the second function, which differs in its head. */
  headAddedRatio: number;
  /** Median load time in a new instance with a warm store over that of a stock process. */
  loadRatioTransformer: number;
  loadRatioConvnet: number;
  /** Over every answer that was compared. */
  maxRelativeError: number;
  /** Median run time over stock's, of the function for which it is worse. */
  latencyRatioBatch1: number;
  latencyRatioBatch4: number;
}

/** One function's row of the report. */
export interface FunctionFigures {
  name: string;
  instances: number;
  sharedLoadMs: number;
  stockLoadMs: number;
  /** First load, which prepares the model for sharing. */
  firstLoadMs: number;
  nextInstanceMb: number;
  stockInstanceMb: number;
}

/** @param steps in the order in which they were made */
export function figuresOf(steps: readonly GrowthStep[], latencies: readonly LatencyComparison[]): Figures {
  const transformer = steps.filter(isTransformer);
  const last = transformer.at(-1);
  if (last === undefined) throw new RangeError('no instance of the transformer was measured');
  const errors = [...steps, ...latencies].map((compared) => compared.relativeError);
  return {
    instances: transformer.length,
    sharedTotalMb: rounded(megabytes(last.sharedBytes), 1),
    stockTotalMb: rounded(megabytes(last.stockBytes), 1),
    totalRatio: rounded(last.sharedBytes / last.stockBytes),
    nextInstanceMb: rounded(megabytes(nextInstanceBytes(steps, isTransformer)), 1),
    headAddedRatio: rounded(headAdded(transformer), 4),
    loadRatioTransformer: rounded(loadRatio(transformer)),
    loadRatioConvnet: rounded(loadRatio(steps.filter((step) => step.function.family === 'convnet'))),
    maxRelativeError: Math.max(...errors),
    latencyRatioBatch1: rounded(latencyRatio(latencies, 1)),
    latencyRatioBatch4: rounded(latencyRatio(latencies, 4)),
  };
}

export function functionFigures(steps: readonly GrowthStep[]): FunctionFigures[] {
  const names = [...new Set(steps.map((step) => step.function.name))];
  return names.map((name) => {
    const isOwn = (step: GrowthStep): boolean => step.function.name === name;
    const own = steps.filter(isOwn);
    return {
      name,
      instances: own.length,
      sharedLoadMs: rounded(median(own.filter(isWarm).map((step) => step.shared.loadMs)), 1),
      stockLoadMs: rounded(median(own.map((step) => step.stock.loadMs)), 1),
      firstLoadMs: rounded(own[0]?.shared.loadMs ?? NaN, 1),
      nextInstanceMb: rounded(megabytes(nextInstanceBytes(steps, isOwn)), 1),
      stockInstanceMb: rounded(megabytes(mean(growths(steps, 'stockBytes', isOwn))), 1),
    };
  });
}

/** The first instance of a function finds a store without its model. */
const isWarm = (step: GrowthStep): boolean => step.index > 1;

const isTransformer = (step: GrowthStep): boolean => step.function.family === 'transformer';

const mean = (values: readonly number[]): number => sum(values) / values.length;

/** How much each chosen step added to a total. */
function growths(
  steps: readonly GrowthStep[],
  total: 'sharedBytes' | 'stockBytes',
  chosen: (step: GrowthStep) => boolean,
): number[] {
  return steps.flatMap((step, at) => {
    const before = steps[at - 1]?.[total] ?? 0;
    return chosen(step) ? [step[total] - before] : [];
  });
}

/** Mean growth of the total by a further instance, over the chosen steps. */
function nextInstanceBytes(steps: readonly GrowthStep[], chosen: (step: GrowthStep) => boolean): number {
  return mean(growths(steps, 'sharedBytes', (step) => isWarm(step) && chosen(step)));
}

/** How much the store grew, relatively, by the first load of the second function. */
function headAdded(steps: readonly GrowthStep[]): number {
  const second = steps.findIndex((step) => step.function.name !== steps[0]?.function.name);
  const before = steps[second - 1]?.storeBytes ?? NaN;
  return ((steps[second]?.storeBytes ?? NaN) - before) / before;
}

function loadRatio(steps: readonly GrowthStep[]): number {
  const shared = steps.filter(isWarm).map((step) => step.shared.loadMs);
  return median(shared) / median(steps.map((step) => step.stock.loadMs));
}

function latencyRatio(latencies: readonly LatencyComparison[], batch: number): number {
  const ratios = latencies
    .filter((comparison) => comparison.batch === batch)
    .map(({ sharedMs, stockMs }) => median(sharedMs) / median(stockMs));
  return Math.max(...ratios);
}
