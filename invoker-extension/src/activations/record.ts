/** The activation records that an invoker writes. Pure. Source: facts of OpenWhisk 2.4, 4.3; `ContainerProxy.scala` constructWhiskActivation. */
import {
  type Activation,
  type ActivationMessage,
  type ActivationResponse,
  fullyQualifiedName,
  type KeyValue,
  transactionStartMs,
} from '@tetris/common';
import type { ActivationJob } from './job';

/** When an activation ran, epoch ms. */
export interface Span {
  /** Start of init, or of the run where the instance was warm. */
  startMs: number;
  endMs: number;
  /** Time `/init` took; absent for a warm start. */
  initMs?: number | undefined;
}

/** The record of an activation that reached a container, without its logs. */
export function ranRecord(job: ActivationJob, response: ActivationResponse, span: Span, timedOut: boolean): Activation {
  const { message, action } = job;
  const { timeout, memory, logs, concurrency } = action.limits;
  const annotations: KeyValue[] = [
    { key: 'limits', value: { timeout, memory, logs, concurrency } },
    { key: 'path', value: fullyQualifiedName({ path: action.namespace, name: action.name }) },
    { key: 'kind', value: action.exec.kind },
    { key: 'timeout', value: timedOut },
    ...causedBy(message),
    ...binding(message),
    { key: 'waitTime', value: Math.max(0, span.startMs - transactionStartMs(message.transid, span.startMs)) },
    ...(span.initMs === undefined ? [] : [{ key: 'initTime', value: span.initMs }]),
  ];
  return record(message, { name: action.name, version: action.version, response, span, annotations });
}

/** The record of an activation that never reached a container. */
export function failedRecord(message: ActivationMessage, response: ActivationResponse, nowMs: number): Activation {
  const annotations: KeyValue[] = [
    { key: 'path', value: fullyQualifiedName(message.action) },
    { key: 'kind', value: 'unknown' },
    ...causedBy(message),
    ...binding(message),
  ];
  const { name } = message.action;
  const version = 'version' in message.action ? message.action.version : undefined;
  const span = { startMs: nowMs, endMs: nowMs };
  return record(message, { name, version: version ?? '0.0.1', response, span, annotations });
}

interface Parts {
  name: string;
  version: string;
  response: ActivationResponse;
  span: Span;
  annotations: KeyValue[];
}

function record(message: ActivationMessage, { name, version, response, span, annotations }: Parts): Activation {
  return {
    namespace: message.user.namespace.name,
    name,
    subject: message.user.subject,
    activationId: message.activationId,
    start: span.startMs,
    end: span.endMs,
    duration: Math.max(0, span.endMs - span.startMs),
    response,
    logs: [],
    version,
    publish: false,
    annotations,
    ...(message.cause == null ? {} : { cause: message.cause }),
  };
}

const causedBy = ({ cause }: ActivationMessage): KeyValue[] =>
  cause == null ? [] : [{ key: 'causedBy', value: 'sequence' }];

/** `binding` names the package binding, `namespace/package`, by which the action was invoked. */
function binding({ action }: ActivationMessage): KeyValue[] {
  const name = 'binding' in action ? action.binding : undefined;
  return name == null ? [] : [{ key: 'binding', value: name }];
}
