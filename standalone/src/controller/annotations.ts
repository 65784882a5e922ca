/** Annotations that instances are started by. A stock controller stores any; invokers take a bad one for none. Pure. */
import type { KeyValue } from '@tetris/common';
import { RestError } from './rest-error';

const WHOLE = /^[1-9]\d{0,8}$/;
const FLAG = /^(?:true|false)$/;

/** What each takes, in words and as text: `wsk -a` sends numbers as either. */
const TAKES: ReadonlyMap<string, { what: string; test: (text: string) => boolean }> = new Map([
  ['tetris-slo', { what: 'a latency objective in whole ms from 1', test: (text) => WHOLE.test(text) }],
  ['tetris-concurrency', { what: 'a whole number from 1', test: (text) => WHOLE.test(text) }],
  [
    'tetris-batching',
    { what: 'a batch size from 1, true or false', test: (text) => WHOLE.test(text) || FLAG.test(text) },
  ],
  ['tetris-padding', { what: 'true or false', test: (text) => FLAG.test(text) }],
  [
    'tetris-profile',
    { what: "a model's SHA-256 and bytes, joined by a dash", test: (text) => /^[0-9a-f]{64}-\d{1,15}$/.test(text) },
  ],
]);

/** @throws RestError 400 that names the annotation, what it takes and what it got */
export function checkAnnotations(annotations: readonly KeyValue[]): void {
  for (const { key, value } of annotations) {
    const takes = TAKES.get(key);
    const text = typeof value === 'string' ? value.trim() : JSON.stringify(value);
    if (takes === undefined || takes.test(text ?? '')) continue;
    throw new RestError(
      400,
      `The request content was malformed: annotation '${key}' takes ${takes.what}; got ${JSON.stringify(value)}.`,
    );
  }
}
