import { type ErrorCode, isPluginError } from '@tetris/common';
import { TEXTS } from './texts';

/** An answer other than success: the status and the text of `{error, code}`. */
export class RestError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = new.target.name;
    this.status = status;
  }
}

/** 400 for a body that cannot be read as what is wanted. */
export const malformed = (problem: string): RestError =>
  new RestError(400, `The request content was malformed:\n${problem}`);

const ANSWERS: Partial<Record<ErrorCode, [status: number, text: string]>> = {
  ERR_DOCUMENT_NOT_FOUND: [404, TEXTS.notFound],
  ERR_DOCUMENT_CONFLICT: [409, TEXTS.conflict],
  ERR_DOCUMENT_TYPE: [409, TEXTS.otherType],
  ERR_MESSAGE_TOO_LARGE: [413, 'The activation is larger than a message may be.'],
  ERR_NO_CAPACITY: [503, 'No invoker is available. Try again in a moment.'],
};

/** What a user is told of an error from below. Anything unforeseen is a 500 whose text stays in the log. */
export function asRestError(error: unknown): RestError {
  if (error instanceof RestError) return error;
  const [status, text] = (isPluginError(error) ? ANSWERS[error.code] : undefined) ?? [500, TEXTS.internal];
  return new RestError(status, text);
}

/** What `read` finds; undefined where there is nothing under the name. */
export async function ifThere<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (isPluginError(error, 'ERR_DOCUMENT_NOT_FOUND')) return undefined;
    throw error;
  }
}
