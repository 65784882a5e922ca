import Table from 'cli-table3';
import { megabytes } from '../measure/statistics';
import type { StoreFigures } from './comparison';
import type { Figures, FunctionFigures } from './figures';

/** The largest value with which a figure meets its target. */
const TARGETS: Readonly<Partial<Record<keyof Figures, number>>> = {
  totalRatio: 0.35,
  nextInstanceMb: 35,
  headAddedRatio: 0.02,
  loadRatioTransformer: 0.35,
  loadRatioConvnet: 0.15,
  maxRelativeError: 1e-5,
  latencyRatioBatch1: 1.05,
  latencyRatioBatch4: 1.05,
};

const LABELS: Readonly<Record<keyof Figures, string>> = {
  instances: 'instances of the transformer',
  sharedTotalMb: 'their memory with sharing, platform and store included (MB)',
  stockTotalMb: 'their memory as plain processes (MB)',
  totalRatio: 'with sharing / without',
  nextInstanceMb: 'one more instance (MB)',
  headAddedRatio: 'store growth by a second function on the same backbone',
  loadRatioTransformer: 'load time of the transformer, new instance / plain process',
  loadRatioConvnet: 'load time of the convolution net, new instance / plain process',
  maxRelativeError: 'largest relative difference of an answer',
  latencyRatioBatch1: 'run time at batch 1 / plain process',
  latencyRatioBatch4: 'run time at batch 4 / plain process',
};

/** One row a function: load time and memory on either side. */
export function functionTable(rows: readonly FunctionFigures[], store: StoreFigures): string {
  const table = new Table({
    head: ['function', 'instances', 'load ms', 'load ms, plain', 'first load ms', 'MB a further one', 'MB, plain'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const row of rows) {
    const { name, instances, sharedLoadMs, stockLoadMs, firstLoadMs, nextInstanceMb, stockInstanceMb } = row;
    table.push([name, instances, sharedLoadMs, stockLoadMs, firstLoadMs, nextInstanceMb, stockInstanceMb]);
  }
  const unique = megabytes(store.uniqueBytes).toFixed(0);
  const unshared = megabytes(store.unsharedBytes).toFixed(0);
  return `${table.toString()}\ntensors in the store: ${unique} MB; as one copy an instance: ${unshared} MB`;
}

/** Every figure, with its target where it has one and `withTargets` asks for them. */
export function figureTable(figures: Figures, withTargets: boolean): string {
  const head = withTargets ? ['figure', 'measured', 'target', ''] : ['figure', 'measured'];
  const table = new Table({ head, colAligns: ['left', 'right', 'right'], style: { head: [], border: [] } });
  for (const [name, value] of Object.entries(figures) as [keyof Figures, number][]) {
    const target = TARGETS[name];
    const mark = target === undefined ? [] : [`<= ${target}`, value <= target ? 'met' : 'MISSED'];
    const cells = withTargets ? [...mark, '', ''].slice(0, 2) : [];
    table.push([LABELS[name], format(value), ...cells]);
  }
  return table.toString();
}

/** Each figure that misses its target: which, and by how much. */
export function missedFigures(figures: Figures): string[] {
  return (Object.entries(TARGETS) as [keyof Figures, number][])
    .filter(([name, target]) => !(figures[name] <= target))
    .map(([name, target]) => `${LABELS[name]} is ${format(figures[name])}, not at most ${target}`);
}

/** What it comes to: `8 instances in 1.2 GB instead of 4.3.` */
export function closingSentence({ instances, sharedTotalMb, stockTotalMb }: Figures): string {
  const gigabytes = (mb: number): string => (mb / 1000).toFixed(1);
  return `${instances} instances in ${gigabytes(sharedTotalMb)} GB instead of ${gigabytes(stockTotalMb)}.`;
}

function format(value: number): string {
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(1);
  return String(value);
}
