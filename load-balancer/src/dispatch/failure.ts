/** The record of an activation that no invoker will answer. */
import { type Activation, type InFlight, transactionStartMs } from '@tetris/common';

/** Why, and whose fault it is: 1 the user asked for too much, 3 ours. */
export interface Failure {
  statusCode: 1 | 3;
  reason: string;
}

/** Shaped as stock's invoker shapes a failure before any container (kind `unknown`, no duration of its own). */
export function failedActivation(entry: InFlight, { statusCode, reason }: Failure, nowMs: number): Activation {
  const waitMs = Math.max(0, nowMs - transactionStartMs(entry.transid, nowMs));
  return {
    namespace: entry.namespace,
    name: entry.action.slice(entry.action.lastIndexOf('/') + 1),
    subject: entry.subject ?? entry.namespace,
    activationId: entry.activationId,
    start: nowMs,
    end: nowMs,
    duration: 0,
    response: { statusCode, result: { error: reason } },
    logs: [],
    version: entry.version ?? '0.0.1',
    publish: false,
    annotations: [
      { key: 'path', value: entry.action },
      { key: 'kind', value: 'unknown' },
      { key: 'waitTime', value: waitMs },
    ],
  };
}
