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
