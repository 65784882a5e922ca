import Table from 'cli-table3';
import { rounded, sum } from '../measure/statistics';
import type { Calibration } from './calibration';
import { type ConfigurationName, CONFIGURATIONS } from './configurations';
import type { ConfigurationFigures } from './measurement';

/** One function under its load in every configuration. */
export interface FunctionFigures {
  name: string;
  load: Omit<Calibration, 'references'>;
  configurations: Readonly<Record<ConfigurationName, ConfigurationFigures>>;
}

/** What the suite is about, over all functions. */
export interface SharingFigures {
  /** Mean memory with sharing over that with one request an instance; mean over the functions. */
  memoryRatio: number;
  /** The same of the function for which it is worst. */
  memoryRatioWorst: number;
  /** As {@link memoryRatio}, of peaks. */
  memoryPeakRatio: number;
  /** Without the store, which holds the same tensors on both sides. */
  instanceMemoryRatio: number;
  /** With sharing, of the function for which it is worst. */
  sloAttainment: number;
  sloAttainmentSingle: number;
  sloAttainmentBatching: number;
  sloAttainmentConcurrency: number;
  /** Of all configurations of all functions, over the calibration's; below 0.9 the load was larger than it says. */
  machineSpeedMin: number;
  /** Load over what one request an instance achieves at most, of the function for which it is least. */
  overload: number;
}

export function figuresOf(functions: readonly FunctionFigures[]): SharingFigures {
  const ratios = (figure: 'meanMb' | 'peakMb' | 'instanceMeanMb'): number[] =>
    functions.map(({ configurations: { sharing, single } }) => sharing[figure] / single[figure]);
  const mean = (values: readonly number[]): number => rounded(sum(values) / values.length);
  const attainment = (name: ConfigurationName): number =>
    Math.min(...functions.map(({ configurations }) => configurations[name].sloAttainment));
  return {
    memoryRatio: mean(ratios('meanMb')),
    memoryRatioWorst: rounded(Math.max(...ratios('meanMb'))),
    memoryPeakRatio: mean(ratios('peakMb')),
    instanceMemoryRatio: mean(ratios('instanceMeanMb')),
    sloAttainment: attainment('sharing'),
    sloAttainmentSingle: attainment('single'),
    sloAttainmentBatching: attainment('batching'),
    sloAttainmentConcurrency: attainment('concurrency'),
    machineSpeedMin: Math.min(
      ...functions.flatMap(({ configurations }) =>
        Object.values(configurations).map(({ machineSpeed }) => machineSpeed),
      ),
    ),
    overload: Math.min(...functions.map(({ load }) => load.overload)),
  };
}

const LABELS: Readonly<Record<ConfigurationName, string>> = {
  single: 'one request an instance',
  batching: 'batching',
  concurrency: 'concurrency',
  sharing: 'both, scaled by SLO',
};

export function functionTable(functions: readonly FunctionFigures[]): string {
  const table = new Table({
    head: ['function', 'configuration', 'in SLO', 'p99 ms', 'answers/s', 'instances', 'MB mean', 'MB peak', 'machine'],
    colAligns: ['left', 'left', 'right', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const { name, load, configurations } of functions) {
    for (const [at, { name: key }] of CONFIGURATIONS.entries()) {
      const { sloAttainment, latencyMs, throughput, instancesMean, meanMb, peakMb, machineSpeed } = configurations[key];
      const label = ['', '', `SLO ${load.sloMs} ms`, `${load.rate}/s`, name].at(
        at === 0 ? 4 : at === 1 ? 3 : at === 2 ? 2 : 0,
      );
      const share = `${(100 * sloAttainment).toFixed(1)} %`;
      table.push([
        label ?? '',
        LABELS[key],
        share,
        latencyMs.p99,
        throughput,
        instancesMean,
        meanMb,
        peakMb,
        machineSpeed,
      ]);
    }
  }
  return table.toString();
}
