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
    togetherMemoryCut: togetherCuts(rows, modes),
    meanInTime: Object.fromEntries(
      modes.map((mode) => [
        mode,
        meanOf(rows.filter((row) => row.mode === mode).map(({ sloAttainment }) => sloAttainment)),
      ]),
    ),
    cells: rows.map(({ name, meanMb, sloAttainment }) => ({
      name,
      normalised: normalised(rows, name),
      meanMb,
      sloAttainment,
    })),
    rows,
  };
}

/** What ours saves of the memory that each mode takes under all loads together: small loads weigh little. */
function togetherCuts(rows: readonly ReplayRow[], modes: readonly string[]): Record<string, number> {
  const cut = (mode: string): [string, number][] => {
    const pairs = rows
      .filter((row) => row.mode === 'tetris')
      .flatMap((own) => {
        const other = sameLoadIn(mode, rows, own);
        return other === undefined ? [] : [{ own: own.meanMb, other: other.meanMb }];
      });
    if (pairs.length === 0) return [];
    return [[mode, rounded(1 - sum(pairs.map(({ own }) => own)) / sum(pairs.map(({ other }) => other)))]];
  };
  return Object.fromEntries(modes.filter((mode) => mode !== 'tetris').flatMap(cut));
}

/** Over plain processes under the same load. */
function cutOf(rows: readonly ReplayRow[], row: ReplayRow, mode: string): number[] {
  if (row.mode !== mode) return [];
  const stock = sameLoadIn('stock', rows, row);
  return stock === undefined ? [] : [1 - row.meanMb / stock.meanMb];
}

/** Mean memory over that of the mode which has the highest under the same load. */
function normalised(rows: readonly ReplayRow[], name: string): number {
  const row = rows.find((each) => each.name === name) as ReplayRow;
  return rounded(row.meanMb / Math.max(...rows.filter((other) => isSameLoad(other, row)).map(({ meanMb }) => meanMb)));
}

const sameLoadIn = (mode: string, rows: readonly ReplayRow[], row: ReplayRow): ReplayRow | undefined =>
  rows.find((other) => other.mode === mode && isSameLoad(other, row));

const isSameLoad = (one: ReplayRow, other: ReplayRow): boolean =>
  one.application === other.application && one.pattern === other.pattern;

const meanOf = (values: readonly number[]): number | undefined =>
  values.length === 0 ? undefined : rounded(sum(values) / values.length);
