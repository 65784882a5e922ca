/** Messages that cannot be read: without their fields there is nobody to answer to. Stock drops such as well. */
import { errorMessage, type Logger } from '@tetris/common';
import type { BalancerMetrics } from './metrics';

/** Where a message came from: the metric's label, what it was to be, and the topic or the queue. */
export interface MessageSource {
  kind: 'invoker' | 'completed' | 'health' | 'pulled';
  what: 'activation' | 'ack' | 'ping' | 'order';
  from: string;
}

/** @returns undefined where it cannot be read, which is counted and logged */
export function readOrDrop<T>(
  read: (value: Buffer) => T,
  value: Buffer,
  { kind, what, from }: MessageSource,
  { metrics, log }: { metrics: BalancerMetrics; log: Logger },
): T | undefined {
  try {
    return read(value);
  } catch (error) {
    metrics.invalid.inc({ topic: kind });
    log.error({ from, bytes: value.length, reason: errorMessage(error) }, `unreadable ${what} dropped`);
    return undefined;
  }
}
