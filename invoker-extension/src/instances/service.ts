/** What an instance has before it, and what it will answer when. Pure. */
import { type ExecutionFigures, underWay } from '@tetris/common';
import { executedAtOnce } from '../scaling/settings';
import type { Instance } from './instance-record';

type Served = Pick<Instance<unknown>, 'settings' | 'running' | 'predictor'>;

/** Of the activations that it has, those that it executes or that wait in it. @param wayMs mean way there and back, ms */
export function held(instance: Served, wayMs: number): number {
  const { size } = instance.running;
  const executionMs = executionOf(instance)?.meanMs ?? 0;
  if (executionMs === 0) return size;
  return size - underWay(size, { atOnce: executedAtOnce(instance.settings), executionMs, wayMs });
}

/** Of so many requests: as measured, else as its profile says of a full batch. Undefined where nothing is known. */
export function executionOf({ settings, predictor }: Served, size = settings.batch): ExecutionFigures | undefined {
  const { latencyMs } = settings;
  return predictor.of(size) ?? (latencyMs === undefined ? undefined : { tailMs: latencyMs, meanMs: latencyMs });
}

/**
 * Time until an instance begins what it gets now, ms. While a worker idles, at once; else after the executions that are
 * under way, which may have just begun, and those of what waits in it.
 */
export function beforeMs(instance: Served, wayMs: number): number {
  const { settings } = instance;
  const before = held(instance, wayMs);
  if (before < settings.workers) return 0;
  const rounds = Math.floor(before / executedAtOnce(settings));
  const size = rounds > 0 ? settings.batch : Math.ceil(before / settings.workers);
  return Math.max(1, rounds) * (executionOf(instance, size)?.meanMs ?? 0);
}

/** Time of a slow execution of what it gets now, with those that it joins, ms. */
export function tailMs(instance: Served, wayMs: number): number {
  const { settings } = instance;
  const joined = held(instance, wayMs) % executedAtOnce(settings);
  return executionOf(instance, Math.ceil((joined + 1) / settings.workers))?.tailMs ?? 0;
}

/** Activations that an instance answers within a time after what it has; 0 where nothing is known. */
export function answersBefore(instance: Served, wayMs: number, withinMs: number): number {
  const execution = executionOf(instance);
  if (instance.settings.sloMs === undefined || execution === undefined || !Number.isFinite(withinMs)) return 0;
  const spareMs = withinMs - beforeMs(instance, wayMs) - execution.tailMs;
  if (spareMs < 0) return 0;
  return executedAtOnce(instance.settings) * (1 + Math.floor(spareMs / Math.max(1, execution.meanMs)));
}
