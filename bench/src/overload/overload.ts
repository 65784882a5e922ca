/** A function under loads below and above what the node can do, with and without a neighbour on its processors. */
import { Cleanups } from '../demo/cleanups';
import { createProgress } from '../demo/progress';
import type { Suite, SuiteOptions, SuiteResult } from '../suite';
import { MeasuredFunction } from './measured-function';
import { isAt, labelOf, overloadFigures, type PointFigures, type PointKey, pointTable } from './report';
import { overloadSettings } from './settings';

async function run({ quick = false, earlier, save, ...choice }: SuiteOptions): Promise<SuiteResult> {
  const settings = overloadSettings(quick, choice);
  let points = pointsOf(earlier);
  const result = (): SuiteResult => ({
    ...overloadFigures(points),
    quick,
    seconds: settings.measuredMs / 1000,
    points,
  });
  const wanted = settings.functions.map((loaded) => ({
    loaded,
    keys: keysOf(loaded.definition.name, settings).filter((key) => !points.some(isAt(key))),
  }));
  const progress = createProgress(wanted.flatMap(({ keys }) => keys).length, process.stderr);
  for (const { loaded, keys } of wanted.filter(({ keys: open }) => open.length > 0)) {
    const cleanups = new Cleanups();
    try {
      const measured = await MeasuredFunction.start(loaded, settings, cleanups);
      for (const key of keys) {
        progress.step(labelOf(key));
        points = [...points, await measured.measure(key)];
        await save?.(result());
      }
    } finally {
      await cleanups.run();
    }
  }
  progress.stop();
  process.stderr.write(`${pointTable(points)}\n`);
  return result();
}

/** Quiet ones first: what a function has learned there is what it meets a neighbour with. */
function keysOf(name: string, { loads, neighbours }: ReturnType<typeof overloadSettings>): PointKey[] {
  return neighbours.flatMap((neighbour) =>
    loads.filter((load) => load !== 'recovery' || !neighbour).map((load) => ({ function: name, load, neighbour })),
  );
}

/** Points of a file that an earlier run has written. */
function pointsOf(earlier: SuiteResult | undefined): PointFigures[] {
  return (earlier?.['points'] ?? []) as PointFigures[];
}

export const suite: Suite = { run };
