/** What an instance has before it, and what it will answer when. Pure. */
import { type ExecutionFigures, underWay } from '@tetris/common';
import { executedAtOnce } from '../scaling/settings';
import type { Instance } from './instance-record';

type Served = Pick<Instance<unknown>, 'settings' | 'running' | 'predictor'>;

/** Of so many requests: as measured, else as its profile says of a full batch. Undefined where nothing is known. */
export function executionOf({ settings, predictor }: Served, size: number): ExecutionFigures | undefined {
  const { latencyMs } = settings;
  return predictor.of(size) ?? (latencyMs === undefined ? undefined : { tailMs: latencyMs, meanMs: latencyMs });
}

/**
 * Requests that a busy instance executes together: no more than is worth it. A full batch where no larger part of one
 * was tried lately.
 */
export function joinedBy({ settings: { batch }, predictor }: Served): number {
  for (let size = batch; 2 * size > batch; size -= 1) {
    if (predictor.wasTried(size)) return predictor.worthwhile(batch) ?? batch;
  }
  return batch;
}

/** Activations that a busy instance answers with one execution of each worker. */
export const answeredAtOnce = (instance: Served): number =>
  executedAtOnce({ ...instance.settings, batch: joinedBy(instance) });

/** Of the activations that it has, those that it executes or that wait in it. @param wayMs mean way there and back, ms */
export function held(instance: Served, wayMs: number): number {
  const { size } = instance.running;
  const executionMs = executionOf(instance, joinedBy(instance))?.meanMs ?? 0;
  if (executionMs === 0) return size;
  return size - underWay(size, { atOnce: answeredAtOnce(instance), executionMs, wayMs });
}

/**
 * Time until an instance begins what it gets now, ms. While a worker idles, at once; else after the executions that
 * are under way, which may have just begun, and those of what waits in it.
 *
 * @param wayMs as in {@link held}
 */
export function beforeMs(instance: Served, wayMs: number): number {
  const { settings } = instance;
  const before = held(instance, wayMs);
  if (before < settings.workers) return 0;
  const rounds = Math.floor(before / answeredAtOnce(instance));
  const size = rounds > 0 ? joinedBy(instance) : Math.ceil(before / settings.workers);
  return Math.max(1, rounds) * (executionOf(instance, size)?.meanMs ?? 0);
}

/** Time of a slow execution of what it gets now, with those that it joins, ms. */
export function tailMs(instance: Served, wayMs: number): number {
  const joined = held(instance, wayMs) % answeredAtOnce(instance);
  return executionOf(instance, Math.ceil((joined + 1) / instance.settings.workers))?.tailMs ?? 0;
}

/** Activations that an instance answers within a time after what it has; 0 where nothing is known. */
export function answersBefore(instance: Served, wayMs: number, withinMs: number): number {
  const execution = executionOf(instance, joinedBy(instance));
  if (instance.settings.sloMs === undefined || execution === undefined || !Number.isFinite(withinMs)) return 0;
  const spareMs = withinMs - beforeMs(instance, wayMs) - execution.tailMs;
  if (spareMs < 0) return 0;
  return answeredAtOnce(instance) * (1 + Math.floor(spareMs / Math.max(1, execution.meanMs)));
}
