import { randomBytes } from 'node:crypto';
import { type Attributes, parseTraceparent, type Tracer } from '@tetris/common';

/**
 * A lease as part of the span that its request names.
 * @returns tells how it ended; does nothing where the request names no span
 */
export function leaseTold(
  tracer: Pick<Tracer, 'record'>,
  header: unknown,
  startMs: number,
): (attributes: Attributes, error?: string) => void {
  const parent = parseTraceparent(header);
  return (attributes, error) => {
    if (parent === undefined) return;
    const spanId = randomBytes(8).toString('hex');
    tracer.record({ ...parent, spanId, name: 'daemon lease', startMs, endMs: Date.now(), error, attributes });
  };
}
