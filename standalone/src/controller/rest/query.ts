import { RestError } from '../rest-error';

/** A request's query, as text. */
export type Query = Readonly<Record<string, string | undefined>>;

/** @throws RestError 400 that names the parameter */
export function flagOf(query: Query, name: string, fallback: boolean): boolean {
  const text = query[name];
  if (text === undefined) return fallback;
  if (text === 'true') return true;
  if (text === 'false') return false;
  throw new RestError(400, `The query parameter '${name}' is '${text}', expected true or false.`);
}

/** An integer within [min, max]. @throws RestError 400 that names the parameter */
export function integerOf(
  query: Query,
  name: string,
  { min, max = Number.MAX_SAFE_INTEGER }: { min: number; max?: number },
): number | undefined {
  const text = query[name];
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  const upTo = max === Number.MAX_SAFE_INTEGER ? '' : ` and at most ${max}`;
  throw new RestError(
    400,
    `The query parameter '${name}' is '${text}', expected an integer of at least ${min}${upTo}.`,
  );
}

const LIST_DEFAULT = 30;
const LIST_MAX = 200;

/** `limit` (0 means the most) and `skip` of a list. */
export function pageOf(query: Query): { limit: number; skip: number } {
  const limit = integerOf(query, 'limit', { min: 0, max: LIST_MAX }) ?? LIST_DEFAULT;
  return { limit: limit === 0 ? LIST_MAX : limit, skip: integerOf(query, 'skip', { min: 0 }) ?? 0 };
}

const NAME = /^(?:[\w]|[\w][\w@ .&-]{0,254}[\w@.&-])$/;

/** @throws RestError 400 where it is no name of an entity */
export function entityName(text: string): string {
  if (NAME.test(text)) return text;
  throw new RestError(400, `'${text}' is not a legal name of an entity.`);
}
