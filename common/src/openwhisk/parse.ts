import type { z } from 'zod';
import { PluginError } from '../errors';

/**
 * Reads one JSON message: unknown fields are kept, absent and null options are alike, anything else that is missing
 * or malformed is refused.
 * @throws PluginError `ERR_MESSAGE_INVALID` that names the message type and every problem.
 */
export function parseMessage<T extends z.ZodType>(schema: T, value: Buffer | string, type: string): z.infer<T> {
  let json: unknown;
  try {
    json = JSON.parse(value.toString());
  } catch (error) {
    throw new PluginError('ERR_MESSAGE_INVALID', `${type} is not JSON`, { cause: error });
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || '(root)'}: ${issue.message}`);
    throw new PluginError('ERR_MESSAGE_INVALID', `${type} is malformed: ${problems.join('; ')}`);
  }
  return parsed.data;
}
