import type { Bench } from '../runtime/bench';
import type { SuiteResult } from '../suite';

/** Figures that are measured together. */
export interface FigureGroup {
  /** What {@link measure} returns, and may be asked for by itself. */
  keys: readonly string[];
  /** @param quick few rounds and small models: shows that it works, and measures nothing */
  measure(bench: Bench, quick: boolean): Promise<SuiteResult>;
}

/**
 * The groups that any of the keys belongs to; all of them where no key is given.
 *
 * @throws RangeError that lists the keys there are
 */
export function chosenGroups(groups: readonly FigureGroup[], only: readonly string[] | undefined): FigureGroup[] {
  const known = groups.flatMap(({ keys }) => keys);
  const unknown = only?.find((key) => !known.includes(key));
  if (unknown !== undefined) throw new RangeError(`no figure '${unknown}'; there are: ${known.join(', ')}`);
  return groups.filter(({ keys }) => only === undefined || keys.some((key) => only.includes(key)));
}
