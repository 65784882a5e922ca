/**
 * What a failed produce request means for its messages. kafkajs marks errors retriable without regard to duplicates.
 */
import { errorMessage, PluginError } from '../errors';

/**
 * - `tooLarge`: the broker or topic refuses the size
 * - `refused`: not written, and will not be
 * - `notWritten`: not written, may work in a moment
 * - `unknown`: perhaps written; another try could make a duplicate, so there is none
 */
export type SendFailure = 'tooLarge' | 'refused' | 'notWritten' | 'unknown';

interface KafkaErrorLike {
  name?: string;
  message?: string;
  /** Of a protocol error, such as `MESSAGE_TOO_LARGE`. */
  type?: string;
  retriable?: boolean;
  /** Of a connection error, such as `ECONNREFUSED`. */
  code?: string | number;
  cause?: unknown;
}

const TOO_LARGE: ReadonlySet<string> = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);
/** The broker answered, and still the message may be in its log. */
const UNKNOWN_TYPES: ReadonlySet<string> = new Set([
  'UNKNOWN',
  'REQUEST_TIMED_OUT',
  'NETWORK_EXCEPTION',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
]);
/** No connection was made, so no message left. */
const NEVER_CONNECTED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
const NEVER_SENT: ReadonlySet<string> = new Set([
  'KafkaJSMetadataNotLoaded',
  'KafkaJSTopicMetadataNotLoaded',
  'KafkaJSBrokerNotFound',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSLockTimeout',
]);

/** The group was joined anew without this member: told before anything is written. */
const NOT_A_MEMBER: ReadonlySet<string> = new Set(['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID']);

/** The error that kafkajs wrapped in its retry errors. */
export function kafkaCause(error: unknown): KafkaErrorLike {
  const like = (error ?? {}) as KafkaErrorLike;
  return like.cause === undefined || like.cause === error ? like : kafkaCause(like.cause);
}

export function classifySendError(error: unknown): SendFailure {
  const { name = '', message = '', type, code, retriable } = kafkaCause(error);
  if (type !== undefined) {
    if (TOO_LARGE.has(type)) return 'tooLarge';
    if (UNKNOWN_TYPES.has(type)) return 'unknown';
    return retriable === true ? 'notWritten' : 'refused';
  }
  if (NEVER_SENT.has(name)) return 'notWritten';
  if (name === 'KafkaJSConnectionError') {
    const unsent = NEVER_CONNECTED.has(String(code)) || message === 'Not connected' || message === 'Connection timeout';
    return unsent ? 'notWritten' : 'unknown';
  }
  if (name === 'KafkaJSConnectionClosedError' || name === 'KafkaJSRequestTimeoutError') return 'unknown';
  return 'refused';
}

/**
 * Whether a failed commit of offsets was certainly not made. Any other failure says nothing of it, an answer of the
 * broker neither: a broker that shuts down answers `NOT_COORDINATOR_FOR_GROUP` for commits that it has already appended
 * to its log.
 */
export function commitWasRefused(error: unknown): boolean {
  return NOT_A_MEMBER.has(kafkaCause(error).type ?? '');
}

/** `fields.written` is `no` or `unknown`: whether a caller may try again without the risk of a duplicate. */
export function busUnavailable(what: string, written: 'no' | 'unknown', cause?: unknown): PluginError {
  const why = cause === undefined ? '' : `: ${kafkaCause(cause).message ?? errorMessage(cause)}`;
  return new PluginError('ERR_BUS_UNAVAILABLE', `${what}${why}`, { retriable: true, cause, fields: { written } });
}
