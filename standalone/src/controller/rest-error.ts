import { type ErrorCode, isPluginError } from '@tetris/common';

/** An answer other than success: the status and the text of `{error, code}`. */
export class RestError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = new.target.name;
    this.status = status;
  }
}

const ANSWERS: Partial<Record<ErrorCode, [status: number, text: string]>> = {
  ERR_DOCUMENT_NOT_FOUND: [404, 'The requested resource does not exist.'],
  ERR_DOCUMENT_CONFLICT: [409, 'Concurrent modification to resource detected.'],
  ERR_MESSAGE_TOO_LARGE: [413, 'The activation is larger than a message may be.'],
  ERR_NO_CAPACITY: [503, 'No invoker is available. Try again in a moment.'],
};

/** What a user is told of an error from below. Anything unforeseen is a 500 whose text stays in the log. */
export function asRestError(error: unknown): RestError {
  if (error instanceof RestError) return error;
  const [status, text] = (isPluginError(error) ? ANSWERS[error.code] : undefined) ?? [
    500,
    'There was an internal server error.',
  ];
  return new RestError(status, text);
}
