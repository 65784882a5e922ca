import { type Action, concurrencyOf, isOn, positiveOf, TETRIS_KIND, valueOf } from '@tetris/common';
import { batchWaitMs, type InstanceShape, type ProfileRow } from './profile';

/** How one instance is run; unlike instances of one action may stand side by side. */
export interface InstanceSettings {
  /** Activations it takes at once. */
  room: number;
  /** Inference workers, threads of each, requests joined in one execution. */
  workers: number;
  threads: number;
  batch: number;
  /** Longest time a request waits for batch mates, ms. */
  batchWaitMs: number;
  /** Requests of unlike lengths are padded to be joined. @default false */
  padding?: boolean;
  /** Latency objective, ms; absent where the action has none. */
  sloMs?: number;
  /** Expected time of an execution, ms; absent where nothing is known. */
  latencyMs?: number;
}

export interface SettingsDefaults {
  /** Room of an instance whose action asks for sharing, and says no number. */
  concurrency: number;
  workers: number;
  threads: number;
  batch: number;
  batchWaitMs: number;
  /** Objective of actions without `tetris-slo`, ms; 0 means none. */
  sloMs: number;
}

/** Highest room an annotation may ask for; bounds what one instance can be sent. */
const CONCURRENCY_MAX = 500;

/**
 * The settings an action's instances start with where no plan says otherwise: {@link concurrencyOf}, annotations
 * `tetris-batching` (a size, or true for the default), `tetris-padding` and `tetris-slo` (ms), else the defaults.
 */
export function settingsOf(action: Action, defaults: SettingsDefaults): InstanceSettings {
  if (action.exec.kind !== TETRIS_KIND) {
    return { room: Math.max(1, action.limits.concurrency), workers: 1, threads: 1, batch: 1, batchWaitMs: 0 };
  }
  const batching = valueOf(action.annotations, 'tetris-batching');
  const sloMs = positiveOf(valueOf(action.annotations, 'tetris-slo')) ?? defaults.sloMs;
  return {
    room: Math.min(concurrencyOf(action, defaults.concurrency), CONCURRENCY_MAX),
    workers: defaults.workers,
    threads: defaults.threads,
    batch: batching === false ? 1 : (positiveOf(batching) ?? defaults.batch),
    batchWaitMs: defaults.batchWaitMs,
    ...(isOn(valueOf(action.annotations, 'tetris-padding')) ? { padding: true } : {}),
    ...(sloMs > 0 ? { sloMs } : {}),
  };
}

/** For activations that share with nobody: outside of any plan, so without its objective. */
export const settingsAlone = ({ workers, threads }: InstanceSettings): InstanceSettings => ({
  room: 1,
  workers,
  threads,
  batch: 1,
  batchWaitMs: 0,
});

/** How far a plan may go with an action's instances; the action's annotations speak for its author. */
export interface ShapeBounds {
  batchMax: number;
  roomMax: number;
}

/** `tetris-batching` and `tetris-concurrency` bound the plan where they are given. */
export function shapeBoundsOf({ annotations }: Action, batchMax: number): ShapeBounds {
  const batching = valueOf(annotations, 'tetris-batching');
  return {
    batchMax: batching === false ? 1 : (positiveOf(batching) ?? batchMax),
    roomMax: positiveOf(valueOf(annotations, 'tetris-concurrency')) ?? CONCURRENCY_MAX,
  };
}

/** Activations that an instance answers with one execution of each worker. */
export const executedAtOnce = ({
  room,
  workers,
  batch,
}: Pick<InstanceSettings, 'room' | 'workers' | 'batch'>): number => Math.min(room, workers * batch);

/**
 * Room for what the workers execute at once, and where they batch for as much again: the next batch gathers while one
 * is executed. A request still waits for one execution at most before its own.
 */
export const roomOf = (workers: number, batch: number, roomMax: number): number =>
  Math.min(roomMax, workers * batch * (batch > 1 ? 2 : 1));

/** Room without that in which the next batch gathers. */
export const roomForOne = ({ room, batch }: Pick<InstanceSettings, 'room' | 'batch'>): number =>
  batch > 1 ? Math.ceil(room / 2) : room;

/** The settings of an instance that a plan asks for. @param roomMax see {@link ShapeBounds} */
export function settingsOfRow(row: ProfileRow, sloMs: number, roomMax: number, padding = false): InstanceSettings {
  const { cpu, concurrency, batch, latencyMs } = row;
  return {
    room: roomOf(concurrency, batch, roomMax),
    workers: concurrency,
    threads: Math.max(1, Math.floor(cpu / concurrency)),
    batch,
    batchWaitMs: Math.floor(batchWaitMs(row, sloMs)),
    ...(padding ? { padding } : {}),
    sloMs,
    latencyMs,
  };
}

export const shapeOf = ({ workers, threads, batch }: InstanceSettings): InstanceShape => ({
  cpu: workers * threads,
  concurrency: workers,
  batch,
});
