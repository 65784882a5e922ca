/**
 * Reads of an invoker's ack what routing needs. The rest belongs to the controller, so nothing else is demanded of it.
 */
import { ActivationIdSchema, PluginError, STATUS } from '@tetris/common';
import type { ReceivedAck } from '../front-end';

interface AckFields {
  transid?: unknown;
  instance?: unknown;
  response?: unknown;
  activationId?: unknown;
  isSystemError?: unknown;
}
interface ResponseFields {
  activationId?: unknown;
  duration?: unknown;
  response?: { statusCode?: unknown } | null;
}

/**
 * The type is decided by the keys alone; null counts as absent, as it does for the stock reader.
 * @throws PluginError `ERR_MESSAGE_INVALID`
 */
export function readReceivedAck(value: Buffer): ReceivedAck {
  const text = value.toString();
  const ack = parseObject(text);
  const hasInstance = ack.instance != null;
  const hasResponse = ack.response != null;
  if (!Array.isArray(ack.transid)) throw invalid('has no transid');
  if (!hasInstance && !hasResponse) throw invalid('has neither instance nor response');
  const response = (typeof ack.response === 'object' ? ack.response : undefined) as ResponseFields | undefined;
  const id = ActivationIdSchema.safeParse(hasResponse ? (response?.activationId ?? ack.response) : ack.activationId);
  if (!id.success) throw invalid('names no activation');
  const type = hasInstance ? (hasResponse ? 'combined' : 'completion') : 'result';
  // Where the invoker says so itself, it knows better: a full one is not a broken one.
  const isSystemError =
    typeof ack.isSystemError === 'boolean' ? ack.isSystemError : response?.response?.statusCode === STATUS.whiskError;
  const durationMs = response?.duration;
  return {
    type,
    activationId: id.data,
    isSystemError,
    ...(typeof durationMs === 'number' && { durationMs }),
    text,
  };
}

function parseObject(text: string): AckFields {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw invalid('is not JSON', error);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw invalid('is not an object');
  return json;
}

function invalid(problem: string, cause?: unknown): PluginError {
  return new PluginError('ERR_MESSAGE_INVALID', `AcknowledgementMessage ${problem}`, { cause });
}
