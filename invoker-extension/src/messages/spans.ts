/** What an invoker tells of an activation. Pure. */
import { type Activation, activationSpan, type SpanRecord, STATUS, valueOf } from '@tetris/common';
import type { InferenceReport } from '../sandboxes/container';
import type { ActivationJob } from './job';

/** @param endMs when the answer was ready @param error what it was refused or failed with, outside of an instance */
export function answerSpan({ message, arrivedMs, action }: ActivationJob, endMs: number, error?: string): SpanRecord {
  const { path, name } = message.action;
  const about = { 'openwhisk.action': `${path}/${name}`, 'openwhisk.kind': action.exec.kind, error };
  return activationSpan(message, 'invoker', { startMs: arrivedMs, endMs }, about);
}

/** Of an activation that an instance has had: its wait, its init where there was one, and its run. */
export function ranSpans(
  job: ActivationJob,
  { start, end = start, annotations, response }: Activation,
  inference: InferenceReport | undefined,
): SpanRecord[] {
  const { message, arrivedMs } = job;
  const initMs = Number(valueOf(annotations, 'initTime') ?? 0);
  const failed = response.statusCode === STATUS.success ? undefined : `status ${response.statusCode}`;
  const told = {
    'tetris.inference.waited_ms': inference?.waitedMs,
    'tetris.inference.execution_ms': inference?.executionMs,
    'tetris.inference.requests': inference?.requests,
  };
  return [
    activationSpan(message, 'wait', { startMs: arrivedMs, endMs: start }),
    ...(initMs > 0 ? [activationSpan(message, 'runtime init', { startMs: start, endMs: start + initMs })] : []),
    activationSpan(message, 'runtime run', { startMs: start + initMs, endMs: end }, { ...told, error: failed }),
  ];
}
