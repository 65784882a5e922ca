import type { SuiteOptions, SuiteResult } from '../suite';

/**
 * Measures row by row and keeps what is known after each, so that an interrupted run goes on where it was.
 *
 * @param figures of some rows; its result has them under `rows`, by their `name`
 * @returns the figures of all
 */
export async function measureRows<Row extends { name: string }>(
  names: readonly string[],
  { earlier, save }: Pick<SuiteOptions, 'earlier' | 'save'>,
  measure: (name: string) => Promise<Row>,
  figures: (rows: readonly Row[]) => SuiteResult,
): Promise<SuiteResult> {
  const known = (earlier?.['rows'] ?? []) as readonly Row[];
  const rows: Row[] = [];
  for (const name of names) {
    rows.push(known.find((row) => row.name === name) ?? (await measure(name)));
    await save?.(figures(rows));
  }
  return figures(rows);
}
