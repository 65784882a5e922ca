import type { SuiteOptions, SuiteResult } from '../suite';

/**
 * Measures row by row and keeps what is known after each, so that an interrupted run goes on where it was, and several
 * runs that each measure some make one result.
 *
 * @param names of the rows that are wanted now; what an earlier run has measured beside them is kept
 * @param figures of some rows; its result has them under `rows`, by their `name`
 * @returns the figures of all
 */
export async function measureRows<Row extends { name: string }>(
  names: readonly string[],
  { earlier, save }: Pick<SuiteOptions, 'earlier' | 'save'>,
  measure: (name: string) => Promise<Row>,
  figures: (rows: readonly Row[]) => SuiteResult,
): Promise<SuiteResult> {
  const rows = [...((earlier?.['rows'] ?? []) as readonly Row[])];
  for (const name of names.filter((wanted) => !rows.some((row) => row.name === wanted))) {
    rows.push(await measure(name));
    await save?.(figures(rows));
  }
  return figures(rows);
}

/**
 * The rows whose names have one of the parts that are asked for, whole between slashes: `vgg16` or `vgg16/stock` of
 * `vgg16/stock`. All of them where nothing is asked for.
 *
 * @throws RangeError where a part names none
 */
export function chosenRows(names: readonly string[], only: readonly string[] | undefined): readonly string[] {
  const has = (name: string, part: string): boolean => `/${name}/`.includes(`/${part}/`);
  const unknown = only?.find((part) => !names.some((name) => has(name, part)));
  if (unknown !== undefined) throw new RangeError(`no row has '${unknown}'; there are: ${names.join(', ')}`);
  return names.filter((name) => only === undefined || only.some((part) => has(name, part)));
}
