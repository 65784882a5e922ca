/**
 * Traces of activations without a word on the wire: OpenWhisk's activation id has the form of a trace id and is one, and
 * the id of a span follows from its trace and its name. So each component tells its own part, and they fit together,
 * whichever of them is told to (decision 0078). Pure.
 */
import { createHash } from 'node:crypto';

/** What can be told of an activation, and inside of what it happened. */
export const SPANS = {
  /** From the request's start until the message was taken from the controllers' topic. */
  controller: undefined,
  /** Until the activation was handed on to an invoker, its wait for one included. */
  'load balancer': 'controller',
  /** From the arrival at a node until the answer was ready. */
  invoker: 'load balancer',
  /** For an instance. */
  wait: 'invoker',
  /** `/init` of an instance. */
  'runtime init': 'invoker',
  /** `/run`, as its instance was heard. */
  'runtime run': 'invoker',
} as const;

export type SpanName = keyof typeof SPANS;

export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** A part of an activation's time that is over. */
export interface SpanRecord {
  /** 32 hexadecimal digits. */
  traceId: string;
  spanId: string;
  /** Undefined: the first of its trace. */
  parentId: string | undefined;
  name: string;
  startMs: number;
  endMs: number;
  /** What went wrong, if anything. */
  error?: string | undefined;
  attributes: Attributes;
}

/** Takes what is told. Never throws, never makes anybody wait. */
export interface Tracer {
  /** Whether an activation is told of: all components decide alike. */
  traces(activationId: string): boolean;
  record(span: SpanRecord): void;
  /** Hands over what it still has. */
  close(): Promise<void>;
}

/** For those who tell nobody. */
export const NO_TRACER: Tracer = { traces: () => false, record: () => undefined, close: async () => undefined };

export function spanIdOf(activationId: string, name: SpanName): string {
  return createHash('sha256').update(`${activationId} ${name}`).digest('hex').slice(0, 16);
}

/** A span of an activation. `transid` links it to OpenWhisk's own logs. */
export function activationSpan(
  { activationId, transid }: { activationId: string; transid: readonly unknown[] },
  name: SpanName,
  times: { startMs: number; endMs: number },
  { error, ...attributes }: { error?: string | undefined } & Record<string, string | number | boolean | undefined> = {},
): SpanRecord {
  const parent = SPANS[name];
  const known = Object.entries(attributes).filter(
    (entry): entry is [string, string | number | boolean] => entry[1] !== undefined,
  );
  return {
    traceId: activationId,
    spanId: spanIdOf(activationId, name),
    parentId: parent === undefined ? undefined : spanIdOf(activationId, parent),
    name,
    ...times,
    error,
    attributes: {
      'openwhisk.transid': typeof transid[0] === 'string' ? transid[0] : 'sid_unknown',
      'openwhisk.activation_id': activationId,
      ...Object.fromEntries(known),
    },
  };
}

/** Whether an activation is among a share of all. Its id is random: its beginning decides. */
export function isSampled(activationId: string, ratio: number): boolean {
  return Number.parseInt(activationId.slice(0, 8), 16) / 2 ** 32 < ratio;
}

/** W3C's header: what the receiver does is part of this span. */
export const traceparentOf = (activationId: string, name: SpanName): string =>
  `00-${activationId}-${spanIdOf(activationId, name)}-01`;

/** Of a request that has one; undefined where the header is absent or none. */
export function parseTraceparent(header: unknown): { traceId: string; parentId: string } | undefined {
  const match = typeof header === 'string' ? /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(header) : null;
  const [, traceId, parentId] = match ?? [];
  return traceId === undefined || parentId === undefined ? undefined : { traceId, parentId };
}
