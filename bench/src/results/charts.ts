/** Charts of the results as SVG texts, by file name. */
import { type EChartsOption, init } from 'echarts';
import { FLEETS, type FleetName, type MemoryRow } from '../evaluation/memory-figures';
import type { MemoryPoint } from '../evaluation/growth';
import type { ReplayRow } from '../replay/replay-figures';
import type { StartupRow } from '../startup/startup-figures';
import type { SuiteResult } from '../suite';
import { FLEET_LABELS } from './labels';

const SIZE = { width: 860, height: 420 };
/** Readable on white and on black. */
const INK = '#808890';
const COLOURS = ['#0f9d7a', '#d2691e', '#b08030', '#4a7fd4', '#9060c0', '#c04870', '#708090', '#309090'];

type Results = Readonly<Record<string, SuiteResult>>;

/** @param results by suite @returns SVG texts by file name; none for suites that have not run */
export function charts(results: Results): Record<string, string> {
  const found = [...memoryCharts(results), ...startupCharts(results), ...replayCharts(results), ...peerCharts(results)];
  return Object.fromEntries(found.map(([name, option]) => [`${name}.svg`, svg(option)]));
}

type Chart = [name: string, option: EChartsOption];

function memoryCharts({ memory }: Results): Chart[] {
  const rows = (memory?.['models'] ?? []) as MemoryRow[];
  const mix = rows.find(({ name }) => name === 'mix') ?? rows[0];
  if (mix === undefined) return [];
  return [
    ['memory-by-instances', byInstances(mix)],
    ['memory-by-model', byModel(rows)],
  ];
}

/** Memory of the most instances measured, each model a group of bars, on a logarithmic axis. */
function byModel(rows: readonly MemoryRow[]): EChartsOption {
  const points = rows.flatMap(({ fleets }) => Object.values(fleets).flat());
  const count = Math.max(...points.map(({ instances }) => instances));
  return bars({
    title: `Memory of ${count} instances, MB (logarithmic)`,
    names: rows.map(({ name }) => name),
    axis: { type: 'log', min: 10 },
    series: fleetsOf(rows).map((fleet) => ({
      name: FLEET_LABELS[fleet],
      data: rows.map(({ fleets }) => fleets[fleet]?.at(-1)?.mb),
    })),
  });
}

/** Memory of one row as instances come; what was not started is left out. */
function byInstances(row: MemoryRow): EChartsOption {
  const line = (points: readonly MemoryPoint[]): number[][] => points.map(({ instances, mb }) => [instances, mb]);
  return {
    ...frame(`Memory as instances come: ${row.name}, MB`),
    xAxis: { type: 'value', name: 'instances', nameTextStyle: { color: INK }, axisLabel: { color: INK } },
    yAxis: { type: 'value', axisLabel: { color: INK } },
    series: fleetsOf([row]).map((fleet) => ({
      type: 'line',
      name: FLEET_LABELS[fleet],
      data: line(row.fleets[fleet] ?? []),
    })),
  };
}

const fleetsOf = (rows: readonly MemoryRow[]): FleetName[] =>
  FLEETS.filter((fleet) => rows.some(({ fleets }) => fleets[fleet] !== undefined));

/** Stages of the first answer in every way, of the model of which most ways are known. */
function startupCharts({ startup }: Results): Chart[] {
  const rows = (startup?.['rows'] ?? []) as StartupRow[];
  const of = (model: string): StartupRow[] => rows.filter((row) => row.model === model);
  const [model] = [...new Set(rows.map((row) => row.model))].sort((one, other) => of(other).length - of(one).length);
  if (model === undefined) return [];
  const shown = of(model);
  const rest = ({ answerMs, stagesMs, loadMs, runMs }: StartupRow): number =>
    Math.max(0, answerMs - (stagesMs['container'] ?? 0) - (stagesMs['init'] ?? 0) - loadMs - runMs);
  const stage = (name: string, of: (row: StartupRow) => number | undefined): Series => ({
    name,
    stack: 'all',
    data: shown.map(of),
  });
  const option = bars({
    title: `First answer of ${model}, ms`,
    names: shown.map(({ way }) => way),
    axis: { type: 'value' },
    series: [
      stage('container', ({ stagesMs }) => stagesMs['container']),
      stage('init', ({ stagesMs }) => stagesMs['init']),
      stage('load', ({ loadMs }) => loadMs),
      stage('first run', ({ runMs }) => runMs),
      stage('between', rest),
    ],
  });
  return [['startup', option]];
}

/** Mean memory of each application under each pattern, over the highest of the modes. */
function replayCharts({ replay }: Results): Chart[] {
  const rows = (replay?.['rows'] ?? []) as ReplayRow[];
  if (rows.length === 0) return [];
  const loads = [...new Set(rows.map(({ application, pattern }) => `${application} ${pattern}`))];
  const modes = [...new Set(rows.map(({ mode }) => mode))];
  const of = (load: string): ReplayRow[] => rows.filter((row) => `${row.application} ${row.pattern}` === load);
  const share = (load: string, mode: string): number | undefined => {
    const mb = of(load).find((row) => row.mode === mode)?.meanMb;
    return mb === undefined ? undefined : mb / Math.max(...of(load).map(({ meanMb }) => meanMb));
  };
  const series = modes.map((mode) => ({ name: mode, data: loads.map((load) => share(load, mode)) }));
  return [['replay', bars({ title: 'Mean memory over the highest', names: loads, axis: { type: 'value' }, series })]];
}

function peerCharts({ peers }: Results): Chart[] {
  const summary = (peers?.['peers'] ?? []) as Record<string, string | number | undefined>[];
  if (summary.length === 0) return [];
  const column = (key: string): (number | undefined)[] => summary.map((peer) => peer[key] as number | undefined);
  const series = [
    { name: 'of one origin', data: column('family16x2Mb') },
    { name: 'strangers', data: column('strangers16x2Mb') },
  ];
  const names = summary.map(({ peer }) => String(peer));
  return [
    ['peers', bars({ title: 'Memory of 16 functions x 2 instances, MB', names, axis: { type: 'value' }, series })],
  ];
}

interface Series {
  name: string;
  stack?: string;
  data: readonly (number | undefined)[];
}

interface Bars {
  title: string;
  names: readonly string[];
  axis: { type: 'value' } | { type: 'log'; min: number };
  series: readonly Series[];
}

const bars = ({ title, names, axis, series }: Bars): EChartsOption => ({
  ...frame(title),
  xAxis: { type: 'category', data: [...names], axisLabel: { rotate: 45, interval: 0, color: INK } },
  yAxis: { ...axis, axisLabel: { color: INK } },
  series: series.map(({ data, ...rest }) => ({ type: 'bar', ...rest, data: data.map((value) => value ?? '-') })),
});

const frame = (text: string): EChartsOption => ({
  animation: false,
  backgroundColor: 'transparent',
  color: COLOURS,
  title: { text, left: 'center', textStyle: { color: INK, fontSize: 15 } },
  legend: { bottom: 0, itemGap: 24, textStyle: { color: INK } },
  grid: { left: 70, right: 20, top: 44, bottom: 110 },
});

function svg(option: EChartsOption): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...SIZE });
  chart.setOption(option);
  const text = chart.renderToSVGString();
  chart.dispose();
  return `${text}\n`;
}
