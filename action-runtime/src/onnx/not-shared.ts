import type { SharingFailure } from '@tetris/common';
import { type ErrorCode, errorMessage, isPluginError } from '@tetris/common/errors';
import type { Unshareable, UnshareableReason } from '@tetris/onnx-format';

/** Why a model is loaded privately: the label of a metric. */
export type PrivateReason = SharingFailure | UnshareableReason;

/** Says that a model is not shared: a verdict, never the failure of an action. Its text is for the user's log. */
export class NotShared extends Error {
  readonly reason: PrivateReason;

  constructor(reason: PrivateReason, text: string, cause?: unknown) {
    super(text, cause === undefined ? undefined : { cause });
    this.reason = reason;
  }

  static unshareable({ reason, detail }: Unshareable): NotShared {
    return new NotShared(reason, detail);
  }

  /** The verdict for whatever went wrong on the way to a shared model. */
  static because(error: unknown): NotShared {
    if (error instanceof NotShared) return error;
    if (isPluginError(error)) return new NotShared(reasonOf(error.code, error.fields['reason']), error.message, error);
    return new NotShared(isSystemError(error) ? 'unreadable' : 'refused', errorMessage(error), error);
  }
}

/** What the daemon's refusals come to; other codes are `refused`. */
const REASONS: Partial<Record<ErrorCode, PrivateReason>> = {
  ERR_DAEMON_UNAVAILABLE: 'daemon-unavailable',
  ERR_QUEUE_FULL: 'daemon-busy',
  ERR_UPLOAD_LIMIT: 'daemon-busy',
  ERR_LEASE_LIMIT: 'daemon-busy',
  ERR_STORE_FULL: 'store-full',
  ERR_MODEL_TOO_LARGE: 'too-large',
  ERR_INGEST_FAILED: 'ingest-failed',
  ERR_MODEL_NOT_FOUND: 'unreadable',
  ERR_MODEL_UNKNOWN: 'unreadable',
  ERR_MODEL_INVALID: 'no-model',
  ERR_MODEL_UNSHAREABLE: 'not-saved',
};

/** @param said the reason that came with the error, where its code has several */
function reasonOf(code: ErrorCode, said: unknown): PrivateReason {
  return typeof said === 'string' ? (said as PrivateReason) : (REASONS[code] ?? 'refused');
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
