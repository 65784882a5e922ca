/** What the bodies of all PUTs have in common. */
import type { KeyValue } from '@tetris/common';
import { z } from 'zod';
import { malformed, RestError } from '../rest-error';

const KeyValuesSchema = z.array(z.looseObject({ key: z.string().min(1), value: z.unknown() }));

/** Unknown fields, such as `namespace` and `name`, are ignored. */
export const PUT_FIELDS = {
  annotations: KeyValuesSchema.nullish(),
  version: z
    .string()
    .regex(/^\d+\.\d+\.\d+$/, 'not a version such as 0.0.1')
    .nullish(),
  publish: z.boolean().nullish(),
};
export const ParametersSchema = KeyValuesSchema.nullish();

/** @throws RestError 400 naming each problem */
export function parsedPut<T extends z.ZodType>(schema: T, body: unknown): z.infer<T> {
  const parsed = schema.safeParse(body ?? {});
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`);
  throw malformed(problems.join('; '));
}

interface Versioned {
  version: string;
  publish: boolean;
}

/** The version that is asked for, else the first, else the next patch; `publish` is kept. */
export function versionOf(
  put: { version?: string | null | undefined; publish?: boolean | null | undefined },
  present: Versioned | undefined,
): Versioned {
  return {
    version: put.version ?? (present === undefined ? '0.0.1' : nextPatch(present.version)),
    publish: put.publish ?? present?.publish ?? false,
  };
}

function nextPatch(version: string): string {
  const [major = '0', minor = '0', patch = '0'] = version.split('.');
  return `${major}.${minor}.${Number(patch) + 1}`;
}

/** Later pairs replace earlier ones of the same key. */
export function mergePairs(...lists: readonly (readonly KeyValue[])[]): KeyValue[] {
  return [...new Map(lists.flat().map((pair) => [pair.key, pair])).values()];
}

/** @throws RestError 413 */
export function checkSize(what: string, pairs: readonly KeyValue[], bytesMax: number): void {
  const bytes = Buffer.byteLength(JSON.stringify(pairs));
  if (bytes > bytesMax) throw new RestError(413, tooLarge(what, bytes, bytesMax));
}

/** What to do about a model that an archive cannot hold. */
export const LARGE_MODELS =
  'An archive may leave out onnxruntime-*, which the runtime has, and what browsers and other platforms need; a model that ' +
  'is still too large is loaded by path (npm start -- --models DIR) or by URL (npm start -- --url PREFIX).';

export const tooLarge = (what: string, bytes: number, bytesMax: number): string =>
  `${what} larger than allowed: ${bytes} > ${bytesMax} bytes.`;
