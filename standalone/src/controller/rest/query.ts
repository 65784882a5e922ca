import { RestError } from '../rest-error';

/** A request's query, as text. */
export type Query = Readonly<Record<string, string | undefined>>;

const badQuery = (name: string, problem: string): RestError =>
  new RestError(400, `The query parameter '${name}' was malformed:\n${problem}`);

/** @throws RestError 400 that names the parameter */
export function flagOf(query: Query, name: string, fallback: boolean): boolean {
  const text = query[name];
  if (text === undefined) return fallback;
  if (text === 'true') return true;
  if (text === 'false') return false;
  throw badQuery(name, `'${text}' is not a valid Boolean value`);
}

/** An integer within [min, max]. @throws RestError 400 that names the parameter */
export function integerOf(
  query: Query,
  name: string,
  { min, max = Number.MAX_SAFE_INTEGER }: { min: number; max?: number },
): number | undefined {
  const text = query[name];
  if (text === undefined) return undefined;
  const value = readInteger(text);
  if (value !== undefined && value >= min && value <= max) return value;
  const upTo = max === Number.MAX_SAFE_INTEGER ? '' : ` and at most ${max}`;
  throw badQuery(name, `'${text}' is no integer of at least ${min}${upTo}.`);
}

function readInteger(text: string): number | undefined {
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

const LIST_DEFAULT = 30;
const LIST_MAX = 200;

export interface Page {
  limit: number;
  skip: number;
}

/** `limit` (0 means the most) and `skip` of a list. @param collection such as `actions`. @throws RestError 400 */
export function pageOf(query: Query, collection: string): Page {
  const limit = listInteger(query, 'limit', collection) ?? LIST_DEFAULT;
  const skip = listInteger(query, 'skip', collection) ?? 0;
  if (limit < 0 || limit > LIST_MAX) {
    throw badQuery('limit', `The value '${limit}' is not in the range of 0 to ${LIST_MAX} for ${collection}.`);
  }
  if (skip < 0) throw badQuery('skip', `The value '${skip}' is not greater than or equal to 0 for ${collection}.`);
  return { limit: limit === 0 ? LIST_MAX : limit, skip };
}

function listInteger(query: Query, name: string, collection: string): number | undefined {
  const text = query[name];
  if (text === undefined) return undefined;
  const value = readInteger(text);
  if (value === undefined) throw badQuery(name, `The value '${text}' is not an integer for ${collection}.`);
  return value;
}

/**
 * A list, or with `count=true` the number of what is left of it after `skip`.
 * @throws RestError 400
 */
export async function listOrCount<T>(
  query: Query,
  collection: string,
  source: { list: (page: Page) => Promise<T[]>; count: () => Promise<number> },
): Promise<T[] | Record<string, number>> {
  const page = pageOf(query, collection);
  if (!flagOf(query, 'count', false)) return source.list(page);
  return { [collection]: Math.max(0, (await source.count()) - page.skip) };
}
