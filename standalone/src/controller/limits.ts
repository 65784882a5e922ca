import type { ActionLimits, UserLimits } from '@tetris/common';
import { RestError } from './rest-error';

interface Range {
  min: number;
  /** What an action gets that asks for nothing. */
  std: number;
  max: number;
}

/** System limits. Units: timeout ms, memory MB, logs MB, concurrency activations in one container. */
export interface SystemLimits {
  timeout: Range;
  memory: Range;
  logs: Range;
  concurrency: Range;
  invocationsPerMinute: number;
  concurrentInvocations: number;
  firesPerMinute: number;
  /** Actions in a sequence or composition, those of sequences in it included. */
  sequenceActionsMax: number;
  /** Longest code as sent, that is base64 text for archives. */
  codeBytesMax: number;
  /** All parameters of an action; all annotations likewise. */
  parameterBytesMax: number;
  payloadBytesMax: number;
  blockingWaitMs: number;
  /** Longest wait for a record to be readable before its activation is answered. */
  recordWaitMs: number;
}

/** Defaults of OpenWhisk's local deployment, save the throttles and the memory: models are larger than functions. */
export const SYSTEM_LIMITS: SystemLimits = {
  timeout: { min: 100, std: 60_000, max: 300_000 },
  memory: { min: 128, std: 256, max: 4096 },
  logs: { min: 0, std: 10, max: 10 },
  concurrency: { min: 1, std: 1, max: 500 },
  invocationsPerMinute: 6_000,
  concurrentInvocations: 1_000,
  firesPerMinute: 6_000,
  sequenceActionsMax: 50,
  codeBytesMax: 48 * 1024 ** 2,
  parameterBytesMax: 1024 ** 2,
  payloadBytesMax: 1024 ** 2,
  blockingWaitMs: 60_000,
  recordWaitMs: 5_000,
};

type LimitName = 'timeout' | 'memory' | 'logs' | 'concurrency';
const NAMES: readonly { name: LimitName; unit: string; title: 'Timeout' | 'Memory' | 'Logs' | 'Concurrency' }[] = [
  { name: 'timeout', unit: 'ms', title: 'Timeout' },
  { name: 'memory', unit: 'MB', title: 'Memory' },
  { name: 'logs', unit: 'MB', title: 'Logs' },
  { name: 'concurrency', unit: 'activations', title: 'Concurrency' },
];

/** A namespace's range: its own limits, never beyond the system's. */
function rangeOf(
  system: SystemLimits,
  user: UserLimits,
  name: LimitName,
  title: (typeof NAMES)[number]['title'],
): Range {
  const { min, std, max } = system[name];
  return {
    min: Math.max(min, user[`minAction${title}`] ?? min),
    std,
    max: Math.min(max, user[`maxAction${title}`] ?? max),
  };
}

/**
 * Fills what an action leaves open and checks what it asks for.
 * @param present limits of the action that is being updated
 * @throws RestError 400 that names the limit, its value and its range
 */
export function checkedLimits(
  system: SystemLimits,
  user: UserLimits,
  wanted: Partial<ActionLimits>,
  present?: ActionLimits,
): ActionLimits {
  const limits = { timeout: 0, memory: 0, logs: 0, concurrency: 0 };
  for (const { name, unit, title } of NAMES) {
    const { min, std, max } = rangeOf(system, user, name, title);
    const value = wanted[name] ?? present?.[name] ?? std;
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new RestError(400, `${name} of ${value} ${unit} is not within the allowed ${min} to ${max} ${unit}.`);
    }
    limits[name] = value;
  }
  return limits;
}

/** What `GET /namespaces/{ns}/limits` answers. */
export function effectiveLimits(system: SystemLimits, user: UserLimits): Record<string, unknown> {
  const ranges = NAMES.flatMap(({ name, title }) => {
    const { min, max } = rangeOf(system, user, name, title);
    return [
      [`minAction${title}`, min],
      [`maxAction${title}`, max],
    ];
  });
  return {
    invocationsPerMinute: user.invocationsPerMinute ?? system.invocationsPerMinute,
    concurrentInvocations: user.concurrentInvocations ?? system.concurrentInvocations,
    firesPerMinute: user.firesPerMinute ?? system.firesPerMinute,
    allowedKinds: user.allowedKinds ?? [],
    storeActivations: user.storeActivations ?? true,
    ...(Object.fromEntries(ranges) as Record<string, number>),
    maxParameterSize: `${system.parameterBytesMax} B`,
    maxPayloadSize: `${system.payloadBytesMax} B`,
  };
}

/** `limits` of `GET /`: durations ms, memory and logs bytes. */
export function describeLimits({ timeout, memory, logs, ...limits }: SystemLimits): Record<string, number> {
  const megabytes = (count: number): number => count * 1024 ** 2;
  return {
    actions_per_minute: limits.invocationsPerMinute,
    triggers_per_minute: limits.firesPerMinute,
    concurrent_actions: limits.concurrentInvocations,
    sequence_length: limits.sequenceActionsMax,
    min_action_duration: timeout.min,
    default_action_duration: timeout.std,
    max_action_duration: timeout.max,
    min_action_memory: megabytes(memory.min),
    default_action_memory: megabytes(memory.std),
    max_action_memory: megabytes(memory.max),
    min_action_logs: megabytes(logs.min),
    default_action_logs: megabytes(logs.std),
    max_action_logs: megabytes(logs.max),
  };
}
