/** Charts of the results as SVG texts, by file name. */
import { type EChartsOption, init } from 'echarts';
import type { MemoryPoint } from '../evaluation/growth';
import { type FleetName, FLEETS, type MemoryRow } from '../evaluation/memory-figures';
import type { SuiteResult } from '../suite';

const SIZE = { width: 860, height: 420 };
/** Readable on white and on black. */
const INK = '#808890';
const COLOURS = ['#0f9d7a', '#d2691e', '#b08030', '#4a7fd4', '#9060c0'];

/** @param results by suite @returns SVG texts by file name; none for suites that have not run */
export function charts(results: Readonly<Record<string, SuiteResult>>): Record<string, string> {
  const rows = results['memory']?.['models'] as MemoryRow[] | undefined;
  if (rows === undefined) return {};
  const mix = rows.find(({ name }) => name === 'mix') ?? rows[0];
  return {
    'memory-by-model.svg': svg(byModel(rows)),
    ...(mix === undefined ? {} : { 'memory-by-instances.svg': svg(byInstances(mix)) }),
  };
}

/** Memory of the most instances measured, each model a group of bars, on a logarithmic axis. */
function byModel(rows: readonly MemoryRow[]): EChartsOption {
  const count = Math.max(
    ...rows.flatMap(({ fleets }) => Object.values(fleets).flat()).map(({ instances }) => instances),
  );
  return {
    ...frame(`Memory of ${count} instances, MB (logarithmic)`),
    xAxis: { type: 'category', data: rows.map(({ name }) => name), axisLabel: { rotate: 45, interval: 0, color: INK } },
    yAxis: { type: 'log', min: 10, axisLabel: { color: INK } },
    series: fleetsOf(rows).map((fleet) => ({
      type: 'bar',
      name: LABELS[fleet],
      data: rows.map(({ fleets }) => fleets[fleet]?.at(-1)?.mb),
    })),
  };
}

/** Memory of one row as instances come. */
function byInstances(row: MemoryRow): EChartsOption {
  const line = (points: readonly MemoryPoint[]): number[][] => points.map(({ instances, mb }) => [instances, mb]);
  return {
    ...frame(`Memory as instances come: ${row.name}, MB`),
    xAxis: { type: 'value', name: 'instances', axisLabel: { color: INK } },
    yAxis: { type: 'value', axisLabel: { color: INK } },
    series: fleetsOf([row]).map((fleet) => ({
      type: 'line',
      name: LABELS[fleet],
      data: line(row.fleets[fleet] ?? []),
    })),
  };
}

const LABELS: Readonly<Record<FleetName, string>> = {
  tetris: 'nodejs:tetris',
  stock: 'plain processes',
  unpacked: 'weights in a mapped file, each packs its own',
  pageCache: 'weights in a mapped file, none packs',
  fork: 'forked after the load',
};

const fleetsOf = (rows: readonly MemoryRow[]): FleetName[] =>
  FLEETS.filter((fleet) => rows.some(({ fleets }) => fleets[fleet] !== undefined));

const frame = (text: string): EChartsOption => ({
  animation: false,
  backgroundColor: 'transparent',
  color: COLOURS,
  title: { text, left: 'center', textStyle: { color: INK, fontSize: 15 } },
  legend: { bottom: 0, textStyle: { color: INK } },
  grid: { left: 60, right: 20, top: 44, bottom: 96 },
});

function svg(option: EChartsOption): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...SIZE });
  chart.setOption(option);
  const text = chart.renderToSVGString();
  chart.dispose();
  return `${text}\n`;
}
