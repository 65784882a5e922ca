import { rounded, sum } from '../measure/statistics';
import type { SuiteResult } from '../suite';
import type { MemoryPoint } from './growth';

/**
 * Ways to keep instances of a model: with sharing; plain processes; those with weights in a file that onnxruntime maps, of
 * which each packs its own copy (`unpacked`) or none does (`pageCache`); and processes forked after the load.
 */
export const FLEETS = ['tetris', 'stock', 'unpacked', 'pageCache', 'fork'] as const;

export type FleetName = (typeof FLEETS)[number];

/** One model, or a mix, in one fleet. */
export interface FleetGrowth {
  /** `<model>/<fleet>` */
  name: string;
  model: string;
  fleet: FleetName;
  /** How many models there are: more than one in a mix. */
  models: number;
  modelMb: number;
  points: MemoryPoint[];
}

/** One model, or the mix, in every fleet. */
export interface MemoryRow {
  name: string;
  modelMb: number;
  /** With sharing, growth of the total by one more instance, mean over those after the first of each model, MB. */
  nextInstanceMb: number;
  /** Of the total of plain processes at the most instances, the share that is saved. */
  saved: number;
  fleets: Readonly<Partial<Record<FleetName, MemoryPoint[]>>>;
}

/** @param rows of any models; those are told of which the two sides are known */
export function memoryFigures(rows: readonly FleetGrowth[]): SuiteResult {
  const names = [...new Set(rows.map(({ model }) => model))];
  const models = names.flatMap((name) => rowOf(rows.filter(({ model }) => model === name)) ?? []);
  const alone = models.filter(({ name }) => name !== 'mix');
  const mix = models.find(({ name }) => name === 'mix');
  return {
    ...(alone.length === 0 ? {} : savedBy(alone)),
    ...(mix === undefined ? {} : { savedMix: mix.saved }),
    nextInstanceMb: Object.fromEntries(models.map(({ name, nextInstanceMb }) => [name, nextInstanceMb])),
    models,
    rows,
  };
}

const savedBy = (models: readonly MemoryRow[]): SuiteResult => ({
  savedMax: Math.max(...models.map(({ saved }) => saved)),
  savedMean: rounded(sum(models.map(({ saved }) => saved)) / models.length),
});

function rowOf(growths: readonly FleetGrowth[]): MemoryRow | undefined {
  const of = (fleet: FleetName): FleetGrowth | undefined => growths.find((growth) => growth.fleet === fleet);
  const [tetris, stock] = [of('tetris'), of('stock')];
  const [first, last] = [tetris?.points[0], tetris?.points.at(-1)];
  const plain = stock?.points.at(-1);
  if (tetris === undefined || first === undefined || last === undefined || plain === undefined) return undefined;
  return {
    name: tetris.model,
    modelMb: tetris.modelMb,
    nextInstanceMb: rounded((last.mb - first.mb) / (last.instances - first.instances), 1),
    saved: rounded(1 - last.mb / plain.mb),
    fleets: Object.fromEntries(growths.map(({ fleet, points }) => [fleet, points])),
  };
}
