/** What a web action gets of a request. Pure. Source: `K/controller/WebActions.scala` Context. */
import { malformed, RestError } from '../rest-error';
import { TEXTS } from '../texts';
import { isForm, isJson, isText, parseMediaType } from './media-types';

export interface WebRequest {
  method: string;
  /** Lower-case names. */
  headers: Readonly<Record<string, string>>;
  /** What follows the action's name, undecoded; '' for nothing. */
  path: string;
  /** Undecoded, without the question mark. */
  query: string;
  body: Buffer;
}

export interface WebCaller {
  /** Namespace of a caller with a valid key. */
  namespace?: string | undefined;
}

type Json = Record<string, unknown>;

const RESERVED = ['method', 'headers', 'path', 'user', 'query', 'body'].map((name) => `__ow_${name}`);

/**
 * Arguments of an action that wants the request taken apart: query, then the fields of a JSON object or a form, which
 * win; any other body is `__ow_body`.
 * @param fixed parameters that the action does not let anybody set
 * @throws RestError 400 for JSON that is none, and for parameters that a request may not set
 */
export function parsedArguments(request: WebRequest, caller: WebCaller, fixed: readonly string[]): Json {
  const query: Json = Object.fromEntries(new URLSearchParams(request.query));
  const body = parsedBody(request);
  const fields = typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as Json) : undefined;
  const taken = [...RESERVED, ...fixed];
  if (taken.some((name) => Object.hasOwn(query, name) || Object.hasOwn(fields ?? {}, name))) {
    throw new RestError(400, TEXTS.parametersNotAllowed);
  }
  return {
    ...contextOf(request, caller),
    ...query,
    ...(fields ?? (body === undefined ? {} : { __ow_body: body })),
  };
}

/** Arguments of an action with the annotation `raw-http`: query and body as they came. */
export function rawArguments(request: WebRequest, caller: WebCaller): Json {
  return {
    ...contextOf(request, caller),
    __ow_query: request.query,
    __ow_body: request.body.length === 0 ? '' : opaque(request),
  };
}

function contextOf({ method, headers, path }: WebRequest, { namespace }: WebCaller): Json {
  return {
    __ow_method: method.toLowerCase(),
    __ow_headers: headers,
    __ow_path: path,
    ...(namespace === undefined ? {} : { __ow_user: namespace }),
  };
}

/** Undefined for no body. */
function parsedBody(request: WebRequest): unknown {
  const { headers, body } = request;
  if (body.length === 0) return undefined;
  const media = parseMediaType(headers['content-type'] ?? '');
  if (media !== undefined && isJson(media)) return parsedJson(body);
  if (media !== undefined && isForm(media)) return Object.fromEntries(new URLSearchParams(body.toString('utf8')));
  return opaque(request);
}

function parsedJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw malformed((error as Error).message);
  }
}

/** Text as it is, anything else as base64; JSON too, as OpenWhisk has always done. */
function opaque({ headers, body }: WebRequest): string {
  const media = parseMediaType(headers['content-type'] ?? '');
  const isPlain = media !== undefined && isText(media) && media.type !== 'application/json';
  return body.toString(isPlain ? 'utf8' : 'base64');
}
