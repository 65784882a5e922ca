/**
 * Living instances replaced by better ones, one at a time. Pure.
 *
 * Where cores or memory are short, instances that live keep those from starting that would serve more. So a mix within
 * the limits becomes the aim: its instances are started while the present ones serve, each takes over from the least
 * efficient as soon as it is ready, and only where memory allows no other way does one end before.
 */
import type { LivingInstance } from './group-scaler';
import type { LearnedRow } from './online-profile';
import { type InstanceShape, type ProfileRow, sameShape, serviceRate } from './profile';
import { shapeOf } from './settings';

/** An instance with its row of the profile; undefined where its shape is no longer of use. */
export interface ServedInstance extends LivingInstance {
  row: LearnedRow | undefined;
}

export interface Replacement {
  starts: LearnedRow[];
  ends: number[];
  /** Instances of the mix that do not live yet. */
  missing: LearnedRow[];
}

/** @param free cores that may be kept busy by the group, its own included; bytes that are free beside its own */
export function replace(
  served: readonly ServedInstance[],
  mix: readonly LearnedRow[],
  free: { cores: number; bytes: number },
): Replacement {
  const missing = [...mix];
  const extra: ServedInstance[] = [];
  // The ready ones first: what is on its way counts only for what they are not.
  for (const instance of [...served].sort((one, other) => Number(other.ready) - Number(one.ready))) {
    const shape = shapeOf(instance.settings);
    const same = missing.findIndex((row) => sameShape(row, shape));
    const standsFor = (row: LearnedRow): boolean =>
      covers(shape, row) && instance.row !== undefined && serviceRate(instance.row) >= serviceRate(row);
    const at = same < 0 ? missing.findIndex(standsFor) : same;
    if (at < 0) extra.push(instance);
    else missing.splice(at, 1);
  }
  extra.sort((one, other) => perCore(one.row) - perCore(other.row));
  missing.sort((one, other) => perCore(other) - perCore(one));

  const starting = served.some(({ ready }) => !ready);
  const next = starting ? undefined : missing[0];
  const ends = missing.length === 0 && !starting ? extra : beyond(served, extra, free.cores);
  const blocked = next !== undefined && next.privateBytes > free.bytes;
  if (blocked && ends.length === 0) ends.push(...extra.slice(0, 1));
  return { starts: next === undefined || blocked ? [] : [next], ends: ends.map(({ id }) => id), missing };
}

/** Can an instance of this shape do what one of the other does? It joins up to as many requests, not always so many. */
export const covers = (shape: InstanceShape, other: InstanceShape): boolean =>
  shape.cpu === other.cpu && shape.concurrency === other.concurrency && shape.batch >= other.batch;

/** Those of the extra ones, the least efficient first, without which the ready ones have cores enough. */
function beyond(served: readonly ServedInstance[], extra: readonly ServedInstance[], cores: number): ServedInstance[] {
  let over = coresOf(served.filter(({ ready }) => ready)) - cores;
  return extra.filter((instance) => {
    if (over <= 0 || !instance.ready) return false;
    over -= coresOf([instance]);
    return true;
  });
}

export const coresOf = (instances: readonly LivingInstance[]): number =>
  instances.reduce((sum, { settings }) => sum + shapeOf(settings).cpu, 0);

const perCore = (row: ProfileRow | undefined): number => (row === undefined ? 0 : serviceRate(row) / row.cpu);
