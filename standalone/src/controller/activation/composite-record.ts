/** Records of what runs other actions. Pure. Source: `K/controller/actions/{Sequence,Primitive}Actions.scala`. */
import {
  type Activation,
  type ActivationResponse,
  type KeyValue,
  type StatusCode,
  transactionStartMs,
  valueOf,
} from '@tetris/common';
import { SEQUENCE } from '../entities/actions';
import { type Call, pathOf, type Payload } from './message';

export interface Composite {
  call: Call;
  activationId: string;
  /** Epoch ms. */
  startMs: number;
  endMs: number;
  response: ActivationResponse;
  /** Ids of the activations that it ran, in their order. */
  activationIds: readonly string[];
  /** Sum of their durations. */
  durationMs: number;
  /** The largest memory limit among them; undefined where none is known. */
  memoryMb: number | undefined;
  /** By a conductor rather than a sequence. */
  conductor?: boolean;
}

/** The record of a sequence or composition. One within another has a cause; one that has none is the topmost. */
export function compositeRecord(composite: Composite): Activation {
  const { call, activationId, startMs, endMs, response, activationIds, durationMs } = composite;
  const { action, user, cause } = call;
  return {
    namespace: user.namespace.name,
    name: action.name,
    subject: user.subject,
    activationId,
    ...(cause === undefined ? {} : { cause }),
    start: startMs,
    end: endMs,
    duration: durationMs,
    response,
    logs: [...activationIds],
    version: action.version,
    publish: false,
    annotations: annotationsOf(composite),
  };
}

function annotationsOf({ call, startMs, memoryMb, conductor = false }: Composite): KeyValue[] {
  const { action, transid, cause } = call;
  const { timeout, logs } = action.limits;
  const limits = { timeout, memory: memoryMb, logs, concurrency: 1 };
  return [
    { key: 'topmost', value: cause === undefined },
    { key: 'path', value: pathOf(action) },
    { key: 'kind', value: SEQUENCE },
    ...(conductor ? [{ key: 'conductor', value: true }] : []),
    ...(cause === undefined ? [] : [{ key: 'causedBy', value: SEQUENCE }]),
    { key: 'waitTime', value: Math.max(0, startMs - transactionStartMs(transid, startMs)) },
    ...(action.binding === undefined ? [] : [{ key: 'binding', value: action.binding }]),
    ...(memoryMb === undefined ? [] : [{ key: 'limits', value: limits }]),
  ];
}

/** A failure that no action answered with. */
export const failure = (statusCode: StatusCode, text: string): ActivationResponse => ({
  statusCode,
  result: { error: text },
});

/** What the next action gets of a result: objects and arrays. */
export function payloadFrom(result: unknown): Payload | undefined {
  return typeof result === 'object' && result !== null ? (result as Payload) : undefined;
}

/** MB in a record's limits. */
export function memoryOf({ annotations }: Activation): number | undefined {
  const { memory } = (valueOf(annotations, 'limits') ?? {}) as { memory?: unknown };
  return typeof memory === 'number' ? memory : undefined;
}

export const durationOf = ({ duration, start, end }: Activation): number => duration ?? end - start;

/** The larger of two sizes, either of which may be unknown. */
export function largest(one: number | undefined, other: number | undefined): number | undefined {
  const known = [one, other].filter((size) => size !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}
