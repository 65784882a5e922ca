/**
 * What a container's reply means for an activation. Pure. Source: `C/core/entity/ActivationResult.scala`; facts of
 * OpenWhisk 6.1, 6.2, 6.5.
 */
import { type ActivationResponse, STATUS, type StatusCode } from '@tetris/common';
import type { ContainerReply } from '../sandboxes/container';
import { TEXTS } from './texts';

/** Bounds on a reply, bytes; `truncationBytes` is how much of a longer one its error text shows. */
export interface ReplyLimits {
  timeoutMs: number;
  replyBytesMax: number;
  truncationBytes: number;
}

/** `{"error": value}` under one of the three error classes. */
export function errorResponse(statusCode: Exclude<StatusCode, 0>, error: unknown): ActivationResponse {
  return { statusCode, result: { error } };
}

/** The response of a failed `/init`, always status 2; undefined where the container is ready. */
export function classifyInit(reply: ContainerReply, limits: ReplyLimits): ActivationResponse | undefined {
  switch (reply.outcome) {
    case 'timeout':
      return errorResponse(STATUS.developerError, TEXTS.timedOut(limits.timeoutMs, 'init'));
    case 'gone':
      return errorResponse(STATUS.developerError, TEXTS.abnormalInit);
    case 'out-of-memory':
      return errorResponse(STATUS.developerError, TEXTS.memoryExhausted);
    case 'answered': {
      if (reply.status === 200) return undefined;
      if (reply.truncated) return errorResponse(STATUS.developerError, truncation(reply, limits));
      const error = errorOf(parsed(reply.body));
      return errorResponse(STATUS.developerError, error.present ? error.value : TEXTS.invalidInit(reply.body));
    }
  }
}

/** Whether a container died, with all that ran in it. */
export const isCrash = ({ outcome }: ContainerReply): boolean => outcome === 'gone' || outcome === 'out-of-memory';

/**
 * The response of a `/run`: the table of 6.2.
 * @param company what is said of those that ran in the container when it died, if any did
 */
export function classifyRun(reply: ContainerReply, limits: ReplyLimits, company = ''): ActivationResponse {
  switch (reply.outcome) {
    case 'timeout':
      return errorResponse(STATUS.developerError, TEXTS.timedOut(limits.timeoutMs, 'run'));
    case 'gone':
      return errorResponse(STATUS.developerError, TEXTS.abnormalRun + company);
    case 'out-of-memory':
      return errorResponse(STATUS.developerError, TEXTS.memoryExhausted + company);
    case 'answered':
      return { ...classifyAnswer(reply, limits), size: reply.bytes };
  }
}

function classifyAnswer(
  reply: Extract<ContainerReply, { outcome: 'answered' }>,
  limits: ReplyLimits,
): ActivationResponse {
  if (reply.truncated) return errorResponse(STATUS.applicationError, truncation(reply, limits));
  const value = parsed(reply.body);
  const error = errorOf(value);
  if (reply.status !== 200) {
    return errorResponse(STATUS.developerError, error.present ? error.value : TEXTS.invalidRun(reply.body));
  }
  if (error.present) return errorResponse(STATUS.applicationError, error.value);
  if (typeof value === 'object' && value !== null) return { statusCode: STATUS.success, result: value };
  return errorResponse(STATUS.developerError, TEXTS.invalidRun(reply.body));
}

function truncation(reply: Extract<ContainerReply, { outcome: 'answered' }>, limits: ReplyLimits): string {
  const start = Buffer.from(reply.body).subarray(0, limits.truncationBytes).toString('utf8');
  return TEXTS.truncatedResponse(start, reply.bytes, limits.replyBytesMax);
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** The `error` key of an object; arrays and scalars have none. */
function errorOf(value: unknown): { present: boolean; value: unknown } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { present: false, value: undefined };
  return { present: Object.hasOwn(value, 'error'), value: (value as { error?: unknown }).error };
}
