/** Which session options can be served by a shared model, and what becomes of them there. */
import type { GraphOptions } from '@tetris/common';
import type { InferenceSession } from 'onnxruntime-common';
import { plainOptions } from './plain-options';

type SessionOptions = InferenceSession.SessionOptions;
type Severity = NonNullable<SessionOptions['logSeverityLevel']>;

/** What the user says for all sessions, or leaves to the instance. */
export interface SessionDefaults {
  /** Intra-op threads. */
  threads: number;
  /** `ort.env.logLevel`. */
  logLevel: InferenceLogLevel;
  /** A shared session keeps no memory for its next run. */
  light: boolean;
}

/** In the order of onnxruntime's severities. */
const LOG_LEVELS = ['verbose', 'info', 'warning', 'error', 'fatal'] as const;
type InferenceLogLevel = (typeof LOG_LEVELS)[number];

/** What becomes of one `InferenceSession.create`. */
export interface SessionPlan {
  /** Options of a session over a private copy of the model. */
  privately: SessionOptions;
  /** `graph` goes into the saved model, `options` are left for the session over it; or why there can be none. */
  shared: { graph: GraphOptions; options: SessionOptions } | { reason: string };
}

/** Options that onnxruntime-node reads; those of other bindings (`freeDimensionOverrides`) it ignores. */
const SESSION_OPTIONS = [
  ...['executionProviders', 'graphOptimizationLevel', 'intraOpNumThreads', 'interOpNumThreads', 'enableCpuMemArena'],
  ...['enableMemPattern', 'executionMode', 'logId', 'logSeverityLevel', 'optimizedModelFilePath'],
  ...['enableProfiling', 'profileFilePrefix', 'externalData', 'preferredOutputLocation', 'extra'],
] as (keyof SessionOptions)[];

/** Options that only say how a session runs: they pass through. */
const RUN_TIME_OPTIONS = new Set<string>([
  'intraOpNumThreads',
  'interOpNumThreads',
  'enableCpuMemArena',
  'enableMemPattern',
  'executionMode',
  'logId',
  'logSeverityLevel',
] satisfies (keyof SessionOptions)[]);

/**
 * Off unless the user asks for them, as both keep memory for the next run. Memory patterns plan one block per input
 * shape; the arena doubles with each block that it takes, 7.6 MB for a BERT that needs 2. The allocator keeps what is
 * freed as well, but what an idle instance has of it can be given back. An instance that is there to be busy has the
 * arena: it is quicker, and the allocator would take more than twice as much for the same runs (decision 0057).
 */
const memoryOptions = (light: boolean): SessionOptions => ({
  enableMemPattern: false,
  ...(light && { enableCpuMemArena: false }),
});

/** As onnxruntime knows them; it refuses others itself. */
const OPTIMIZATION_LEVELS: ReadonlySet<unknown> = new Set(['disabled', 'basic', 'extended', 'layout', 'all']);

/** Session configuration entries (`extra`) that only say how a session runs. */
const RUN_TIME_ENTRIES = new Set([
  'session.intra_op.allow_spinning',
  'session.inter_op.allow_spinning',
  'session.force_spinning_stop',
  'session.set_denormal_as_zero',
  'session.dynamic_block_base',
  'session.intra_op_thread_affinities',
]);

/**
 * Decides for one `InferenceSession.create`.
 *
 * The log level is given to each session: the library takes one for all with its first session, which is made before
 * user code could say.
 */
export function planSession(given: SessionOptions, { threads, logLevel, light }: SessionDefaults): SessionPlan {
  const options = plainOptions(given, SESSION_OPTIONS);
  const defaults: SessionOptions = {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: LOG_LEVELS.indexOf(logLevel) as Severity,
  };
  const privately = { ...defaults, ...options };
  const reason = privateReason(options);
  if (reason !== undefined) return { privately, shared: { reason } };
  const { graphOptimizationLevel = 'all', ...rest } = options;
  delete rest.executionProviders;
  return {
    privately,
    shared: {
      graph: { graphOptimizationLevel, freeDimensionOverrides: {} },
      options: {
        ...defaults,
        ...memoryOptions(light),
        ...rest,
        graphOptimizationLevel: 'disabled',
      },
    },
  };
}

function privateReason(options: SessionOptions): string | undefined {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || RUN_TIME_OPTIONS.has(name)) continue;
    const reason = reasonOf(name, value, options);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function reasonOf(name: string, value: unknown, options: SessionOptions): string | undefined {
  if (name === 'executionProviders') {
    const names = (options.executionProviders ?? []).map((item) => (typeof item === 'string' ? item : item.name));
    const other = names.find((provider) => provider !== 'cpu');
    return other === undefined ? undefined : `execution provider '${other}' has its own copy of the weights`;
  }
  if (name === 'graphOptimizationLevel') {
    return OPTIMIZATION_LEVELS.has(value) ? undefined : `there is no graph optimization level '${String(value)}'`;
  }
  if (name === 'extra') {
    const entry = flatEntries(value).find((key) => !RUN_TIME_ENTRIES.has(key));
    return entry === undefined ? undefined : `session entry '${entry}' may change the graph`;
  }
  if (name === 'enableProfiling' && value === false) return undefined;
  if (name === 'preferredOutputLocation' && onlyCpu(value)) return undefined;
  return `session option '${name}' belongs to one session`;
}

function onlyCpu(value: unknown): boolean {
  const places = typeof value === 'object' && value !== null ? Object.values(value) : [value];
  return places.every((place) => place === 'cpu');
}

/** `{session: {intra_op: {x: '1'}}}` -> `['session.intra_op.x']`, as onnxruntime reads nested entries. */
function flatEntries(value: unknown, prefix = ''): string[] {
  if (typeof value !== 'object' || value === null) return [prefix];
  return Object.entries(value).flatMap(([name, item]) => flatEntries(item, prefix === '' ? name : `${prefix}.${name}`));
}
