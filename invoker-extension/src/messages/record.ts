/**
 * The activation records that an invoker writes. Pure. Source: facts of OpenWhisk 2.4, 4.3; `ContainerProxy.scala`
 * constructWhiskActivation.
 */
import {
  type Activation,
  type ActivationMessage,
  type ActivationResponse,
  fullyQualifiedName,
  type KeyValue,
  TETRIS_KIND,
  transactionStartMs,
} from '@tetris/common';
import type { InferenceReport } from '../sandboxes/container';
import type { ActivationJob } from './job';

/** When an activation ran, epoch ms. */
export interface Span {
  /** Start of init, or of the run where the instance was warm. */
  startMs: number;
  endMs: number;
  /** Time `/init` took; absent for a warm start. */
  initMs?: number | undefined;
}

/** How an activation was run, for the annotation `tetris` of its record. */
export interface Execution {
  /** Time since its instance began to start, ms. */
  instanceAgeMs: number;
  /** The latency objective, ms; undefined without one. */
  sloMs?: number | undefined;
  /** What the runtime says of its runs; undefined where it ran no model. */
  inference?: InferenceReport | undefined;
}

/** An activation that reached a container. */
export interface Ran {
  response: ActivationResponse;
  span: Span;
  timedOut: boolean;
  execution: Execution;
}

/** The record of an activation that reached a container, without its logs. */
export function ranRecord(job: ActivationJob, { response, span, timedOut, execution }: Ran): Activation {
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
    ...(action.exec.kind === TETRIS_KIND ? [{ key: 'tetris', value: told(job, span, execution) }] : []),
  ];
  return record(message, { name: action.name, version: action.version, response, span, annotations });
}

/** Times in whole ms. The objective counts from the start of the transaction, as users wait. */
function told({ startedMs }: ActivationJob, { endMs }: Span, { instanceAgeMs, sloMs, inference }: Execution): object {
  return {
    instanceAgeMs: Math.round(instanceAgeMs),
    ...(inference === undefined
      ? {}
      : { batch: inference.batch, queueMs: inference.waitedMs, runMs: inference.executionMs }),
    ...(sloMs === undefined ? {} : { objectiveMet: endMs - startedMs <= sloMs }),
  };
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
