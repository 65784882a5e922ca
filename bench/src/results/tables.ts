/** What a suite has measured as tables, for the page of results. */
import type { Density } from '../evaluation/density-figures';
import type { FleetName, MemoryRow } from '../evaluation/memory-figures';
import { FLEETS } from '../evaluation/memory-figures';
import type { GridCell } from '../peers/memory-grid';
import type { PeerRow } from '../peers/peer-figures';
import type { ReplayRow } from '../replay/replay-figures';
import type { StartupRow } from '../startup/startup-figures';
import type { SuiteResult } from '../suite';
import { FLEET_LABELS } from './labels';

export type Cell = string | number | undefined;

export interface ResultTable {
  suite: string;
  title: string;
  /** What a reader has to know of it. */
  note?: string;
  head: readonly string[];
  rows: readonly (readonly Cell[])[];
}

type Results = Readonly<Record<string, SuiteResult>>;

/** @param results by suite; those that have not run have no table */
export function resultTables(results: Results): ResultTable[] {
  return Object.entries(TABLES).flatMap(([suite, tablesOf]) => {
    const result = results[suite];
    return result === undefined ? [] : tablesOf(result).map((table) => ({ suite, ...table }));
  });
}

type Table = Omit<ResultTable, 'suite'>;

const TABLES: Readonly<Record<string, (result: SuiteResult) => Table[]>> = {
  memory: (result) => [memoryTable(result['models'] as MemoryRow[])],
  density: (result) => [densityTable(result['densities'] as Density[])],
  startup: (result) => [startupTable(result['rows'] as StartupRow[])],
  latency: (result) => [latencyTable(result)],
  replay: (result) => [replayTable(result['rows'] as ReplayRow[])],
  peers: (result) => peerTables(result),
  scaling: (result) => [scalingTable(result)],
};

function memoryTable(models: readonly MemoryRow[]): Table {
  const last = (row: MemoryRow, fleet: FleetName): Cell => {
    const point = row.fleets[fleet]?.at(-1);
    return point && `${point.extrapolated ? '~' : ''}${Math.round(point.mb)}`;
  };
  const count = Math.max(0, ...models.flatMap(({ fleets }) => fleets.tetris?.at(-1)?.instances ?? 0));
  return {
    title: `Memory of ${count} instances, MB`,
    note:
      '~: not all were started, for want of memory or time; each further one counts as those before it. Of the mix, five of each ' +
      'of six models. Proportional set size of all processes, plus store and daemon.',
    head: ['Model', 'MB', ...FLEETS.map((fleet) => FLEET_LABELS[fleet]), 'Next instance', 'Saved'],
    rows: models.map((row) => [
      row.name,
      row.modelMb,
      ...FLEETS.map((fleet) => last(row, fleet)),
      row.nextInstanceMb,
      row.saved,
    ]),
  };
}

function densityTable(densities: readonly Density[]): Table {
  return {
    title: 'What fits into a memory',
    note: 'Instances of a model, or functions of one origin; run times with all others alive and at rest.',
    head: ['Model', 'MB', 'nodejs:tetris', 'Plain processes', 'Ratio', 'p99, ms', 'Plain, ms'],
    rows: densities.map(({ subject, capMb, tetris, stock, ratio, p99Ms }) => [
      subject,
      capMb,
      tetris,
      stock,
      ratio,
      p99Ms.tetris,
      p99Ms.stock,
    ]),
  };
}

function startupTable(rows: readonly StartupRow[]): Table {
  return {
    title: 'First answers, ms',
    note:
      'Medians; in brackets least and most. Container: until the process runs. Init: runtime and action. Load and run: as the ' +
      'action sees them. A stem cell and an instance asleep are there before.',
    head: ['Model', 'Way', 'First answer', 'Container', 'Init', 'Load', 'Run'],
    rows: rows.map(({ model, way, answerMs, spreadMs, stagesMs, loadMs, runMs }) => [
      model,
      way,
      `${answerMs} (${spreadMs.join(' - ')})`,
      stagesMs['container'],
      stagesMs['init'],
      loadMs,
      runMs,
    ]),
  };
}

interface LatencyRow {
  name: string;
  points: {
    batch: number;
    runs: number;
    p50Ratio: number;
    p99Ratio: number;
    plainP50Ratio: number;
    plainP99Ratio: number;
    restedRatio?: number;
    tetrisMs: { p50: number };
    stockMs: { p50: number };
  }[];
}

function latencyTable({ rows }: SuiteResult): Table {
  return {
    title: 'Run time over a plain process',
    note: 'At work without a pause, in turns of half a second. In brackets: the same of a second plain process over the first, which is what the machine makes of equal work. After a rest: the first run after four seconds, for which an instance has what it gave back to get anew.',
    head: ['Model', 'Batch', 'Runs', 'Median, ms', 'Plain, ms', 'Ratio of medians', 'Ratio of p99', 'After a rest'],
    rows: (rows as LatencyRow[]).flatMap(({ name, points }) =>
      points.map(
        ({ batch, runs, p50Ratio, p99Ratio, plainP50Ratio, plainP99Ratio, restedRatio, tetrisMs, stockMs }) => [
          name,
          batch,
          runs,
          tetrisMs.p50,
          stockMs.p50,
          `${p50Ratio} (${plainP50Ratio})`,
          `${p99Ratio} (${plainP99Ratio})`,
          restedRatio ?? '',
        ],
      ),
    ),
  };
}

function replayTable(rows: readonly ReplayRow[]): Table {
  return {
    title: 'Applications under load',
    note: 'Memory over time: instances, store and daemon; of plain instances, themselves. In time: least of the functions.',
    head: [
      'Application',
      'Arrivals',
      'Mode',
      'Mean MB',
      'Peak MB',
      'Instances',
      'Requests',
      'In time',
      'p50 ms',
      'p99 ms',
      'Cold',
      'Warm',
    ],
    rows: rows.map((row) => {
      const latencies = Object.values(row.functions).map(({ latencyMs }) => latencyMs);
      const worst = (at: 'p50' | 'p99'): number => Math.max(...latencies.map((latency) => latency[at]));
      return [
        row.application,
        row.pattern,
        row.mode,
        row.meanMb,
        row.peakMb,
        row.instancesMean,
        row.requests,
        row.sloAttainment,
        worst('p50'),
        worst('p99'),
        row.starts.cold,
        row.starts.warm,
      ];
    }),
  };
}

function peerTables({ peers, rows }: SuiteResult): Table[] {
  const summary = peers as Record<string, Cell>[];
  return [
    {
      title: 'Peers',
      note:
        'Functions of 170 MB: one encoder with its last two layers trained again, or strangers. Rate: 99 of 100 within 300 ms, four ' +
        'functions in at most 1,500 MB. Where a peer is ahead, it is: replicas of one function that are forked after the load share ' +
        'everything but what they write, as ours do, and a Python worker writes less than a Node process has for itself.',
      head: [
        'Peer',
        '16 functions x 2, MB',
        '16 strangers x 2, MB',
        'Next instance, MB',
        'Next function, MB',
        'Next stranger, MB',
        'Functions in 1,500 MB',
        'Cold start, ms',
        'Rate in time, 1/s',
      ],
      rows: summary.map((peer) => [
        peer['peer'],
        peer['family16x2Mb'],
        peer['strangers16x2Mb'],
        peer['nextInstanceMb'],
        peer['nextFunctionMb'],
        peer['nextStrangerMb'],
        peer['functionsIn1500Mb'],
        peer['coldMs'],
        peer['rate'],
      ]),
    },
    gridTable(rows as PeerRow[]),
  ];
}

function gridTable(rows: readonly PeerRow[]): Table {
  const grid = rows.filter(({ cells }) => cells !== undefined);
  const cells = grid.flatMap((row) => row.cells ?? []);
  const instances = [...new Set(cells.map((cell) => cell.instances))].sort((one, other) => one - other);
  const shown = (cell: GridCell | undefined): Cell => cell && `${cell.extrapolated ? '~' : ''}${Math.round(cell.mb)}`;
  return {
    title: 'Memory of peers by functions and instances of each, MB',
    note: '~: not started, for want of memory or time; each further instance counts as those before it.',
    head: ['Peer', 'Functions', 'Kind', ...instances.map((count) => `x ${count}`)],
    rows: grid.map(({ peer, kind, cells: own = [] }) => [
      peer,
      own[0]?.functions,
      kind,
      ...instances.map((count) => shown(own.find((cell) => cell.instances === count))),
    ]),
  };
}

function scalingTable(result: SuiteResult): Table {
  const sets = Object.entries(result).filter(([, set]) => typeof set === 'object' && set !== null && 'ours' in set);
  return {
    title: 'Cost of plans over the exact optimum',
    head: ['Tables', 'Rule', 'Mean', 'Worst'],
    rows: sets.flatMap(([set, excesses]) =>
      ['ours', 'paper', 'oneShape'].map((rule) => {
        const { mean, worst } = (excesses as Record<string, { mean: number; worst: number }>)[rule] ?? {};
        return [set, rule, mean, worst];
      }),
    ),
  };
}
