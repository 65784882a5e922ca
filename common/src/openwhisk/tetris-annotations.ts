/** Annotations of an action that say how it is to be run. Pure. */
import type { Action } from './action-document';
import { type KeyValue, valueOf } from './activation';
import { nearest } from './nearest';

/** The kind whose actions take the annotations. */
export const TETRIS_KIND = 'nodejs:tetris';

const PREFIX = 'tetris-';

/** `tetris-profile`: a model's SHA-256 and size, as the profiler's archive names it. */
export const PROFILE_NAME = /^([0-9a-f]{64})-([0-9]{1,15})$/;

const POSITIVE = /^[1-9]\d{0,8}$/;
const FLAG = /^(?:true|false)$/;

interface Taken {
  what: string;
  pattern: RegExp;
}

/** What each takes, in words and as text: `wsk -a` sends numbers as either. */
const TAKEN: ReadonlyMap<string, Taken> = new Map([
  ['tetris-slo', { what: 'a latency objective in whole ms from 1', pattern: POSITIVE }],
  ['tetris-concurrency', { what: 'a whole number from 1', pattern: POSITIVE }],
  [
    'tetris-batching',
    { what: 'a batch size from 1, true or false', pattern: new RegExp(`${POSITIVE.source}|${FLAG.source}`) },
  ],
  ['tetris-retry', { what: 'true or false', pattern: FLAG }],
  ['tetris-padding', { what: 'true or false', pattern: FLAG }],
  ['tetris-profile', { what: "a model's SHA-256 and bytes, joined by a dash", pattern: PROFILE_NAME }],
  ['tetris-priority', { what: 'a whole number', pattern: /^-?\d{1,9}$/ }],
  ['tetris-deadline', { what: 'whole ms from 1 after the start', pattern: POSITIVE }],
]);

/**
 * One line for each annotation that begins as ours do and says nothing: the kind takes none, there is none of that
 * name, or it does not take the value.
 */
export function wrongAnnotations(annotations: readonly KeyValue[], kind: string): string[] {
  return annotations.flatMap((annotation) => problemOf(annotation, kind) ?? []);
}

function problemOf({ key, value }: KeyValue, kind: string): string | undefined {
  if (!key.startsWith(PREFIX)) return undefined;
  const taken = TAKEN.get(key);
  if (taken === undefined) {
    return `there is no annotation '${key}'; did you mean '${nearest(key, [...TAKEN.keys()])}'?`;
  }
  if (kind !== TETRIS_KIND) return `annotation '${key}' is for actions of kind '${TETRIS_KIND}'; this is '${kind}'`;
  const text = typeof value === 'string' ? value.trim() : JSON.stringify(value);
  if (taken.pattern.test(text ?? '')) return undefined;
  return `annotation '${key}' takes ${taken.what}; got ${JSON.stringify(value)}`;
}

/** An annotation as an integer, which `wsk -a` may send as text; undefined for anything else. */
export function integerOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return Number.isInteger(number) ? Number(number) : undefined;
}

/** The same above 0. */
export function positiveOf(value: unknown): number | undefined {
  const integer = integerOf(value);
  return integer !== undefined && integer > 0 ? integer : undefined;
}

/** An annotation that is on: `wsk -a` may send text. */
export const isOn = (value: unknown): boolean => value === true || value === 'true';

/**
 * Activations of an action of kind nodejs:tetris that one instance takes at once, as far as its author says: annotation
 * `tetris-concurrency`, else the concurrency limit where it is above 1. An objective (`tetris-slo`) and batches
 * (`tetris-batching`) ask for sharing too, and leave the number to the operator. Without any of these it is 1, as in
 * stock: an action whose activations must not meet in one process need not say so.
 *
 * @param shared the operator's number
 */
export function concurrencyOf({ limits, annotations }: Pick<Action, 'limits' | 'annotations'>, shared: number): number {
  const stated = positiveOf(valueOf(annotations, 'tetris-concurrency'));
  if (stated !== undefined) return stated;
  if (limits.concurrency > 1) return limits.concurrency;
  const batching = valueOf(annotations, 'tetris-batching');
  const batch = positiveOf(batching) ?? 1;
  const asked = isOn(batching) || batch > 1 || positiveOf(valueOf(annotations, 'tetris-slo')) !== undefined;
  return asked ? Math.max(shared, batch) : 1;
}
