/** A function under loads below and above what the node can do, with and without a neighbour on its processors. */
import { Cleanups } from '../demo/cleanups';
import { createProgress } from '../demo/progress';
import type { Suite, SuiteOptions, SuiteResult } from '../suite';
import { MeasuredFunction } from './measured-function';
import {
  type ClosedPoint,
  closedTable,
  isAt,
  labelOf,
  overloadFigures,
  type PointFigures,
  type PointKey,
  pointTable,
} from './report';
import { overloadSettings } from './settings';

async function run({ quick = false, earlier, save, ...choice }: SuiteOptions): Promise<SuiteResult> {
  const settings = overloadSettings(quick, choice);
  let points = (earlier?.['points'] ?? []) as PointFigures[];
  let closed = (earlier?.['closed'] ?? []) as ClosedPoint[];
  const result = (): SuiteResult => ({
    ...overloadFigures(points, closed),
    quick,
    seconds: settings.measuredMs / 1000,
    points,
    closed,
  });
  const wanted = settings.functions.map((loaded) => ({
    loaded,
    keys: keysOf(loaded.definition.name, settings).filter((key) => ![...points, ...closed].some(isAt(key))),
  }));
  const progress = createProgress(wanted.flatMap(({ keys }) => keys).length, process.stderr);
  for (const { loaded, keys } of wanted.filter(({ keys: open }) => open.length > 0)) {
    const cleanups = new Cleanups();
    try {
      const measured = await MeasuredFunction.start(loaded, settings, cleanups);
      for (const key of keys) {
        progress.step(labelOf(key));
        const { load, neighbour } = key;
        if (load === 'closed') closed = [...closed, await measured.closedLoops(neighbour)];
        else points = [...points, await measured.measure({ ...key, load })];
        await save?.(result());
      }
    } finally {
      await cleanups.run();
    }
  }
  progress.stop();
  if (points.length > 0) process.stderr.write(`${pointTable(points)}\n`);
  if (closed.length > 0) process.stderr.write(`${closedTable(closed)}\n`);
  return result();
}

/** Quiet ones first: what a function has learned there is what it meets a neighbour with. */
function keysOf(name: string, { loads, neighbours }: ReturnType<typeof overloadSettings>): PointKey[] {
  return neighbours.flatMap((neighbour) =>
    loads.filter((load) => load !== 'recovery' || !neighbour).map((load) => ({ function: name, load, neighbour })),
  );
}

export const suite: Suite = { run };
