import { rounded, sum } from '../measure/statistics';
import type { SuiteResult } from '../suite';
import type { CellFigures } from './cell';

/** An application under a pattern in a mode. */
export interface ReplayRow extends CellFigures {
  /** `<application>/<pattern>/<mode>` */
  name: string;
  application: string;
  pattern: string;
  mode: string;
}

/** @param rows cells of which the memory of plain processes is known too make up the cuts */
export function replayFigures(rows: readonly ReplayRow[]): SuiteResult {
  const modes = [...new Set(rows.map(({ mode }) => mode))];
  const ours = rows.filter(({ mode }) => mode === 'tetris');
  const cuts = Object.fromEntries(
    modes
      .filter((mode) => mode !== 'stock')
      .map((mode) => [mode, meanOf(rows.flatMap((row) => cutOf(rows, row, mode)))]),
  );
  return {
    ...(cuts['tetris'] === undefined ? {} : { meanMemoryCut: cuts['tetris'] }),
    ...(ours.length === 0 ? {} : { sloAttainment: Math.min(...ours.map(({ sloAttainment }) => sloAttainment)) }),
    memoryCut: cuts,
    cells: rows.map(({ name, meanMb, sloAttainment }) => ({
      name,
      normalised: normalised(rows, name),
      meanMb,
      sloAttainment,
    })),
    rows,
  };
}

/** Over plain processes under the same load. */
function cutOf(rows: readonly ReplayRow[], row: ReplayRow, mode: string): number[] {
  if (row.mode !== mode) return [];
  const stock = rows.find((other) => isSameLoad(other, row) && other.mode === 'stock');
  return stock === undefined ? [] : [1 - row.meanMb / stock.meanMb];
}

/** Mean memory over that of the mode which has the highest under the same load. */
function normalised(rows: readonly ReplayRow[], name: string): number {
  const row = rows.find((each) => each.name === name) as ReplayRow;
  return rounded(row.meanMb / Math.max(...rows.filter((other) => isSameLoad(other, row)).map(({ meanMb }) => meanMb)));
}

const isSameLoad = (one: ReplayRow, other: ReplayRow): boolean =>
  one.application === other.application && one.pattern === other.pattern;

const meanOf = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : rounded(sum(values) / values.length);
