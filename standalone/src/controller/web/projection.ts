/**
 * What a web action's result is as an HTTP answer, by the extension of its name. Pure. Source:
 * `K/controller/WebActions.scala`.
 */
import { type Activation, STATUS } from '@tetris/common';
import { RestError } from '../rest-error';
import { TEXTS } from '../texts';
import { httpAnswer } from './http-answer';
import { pretty } from './pretty';

export interface WebAnswer {
  status: number;
  /** In their order; a name may come more than once. */
  headers: [name: string, value: string][];
  contentType?: string;
  body: string | Buffer;
}

const TEXT_UTF8 = 'text/plain; charset=UTF-8';

const PROJECTIONS = {
  http: httpAnswer,
  json: (result: unknown): WebAnswer => {
    if (typeof result !== 'object' || result === null) throw notValid('application/json');
    return ok('application/json', JSON.stringify(result));
  },
  html: (result: unknown): WebAnswer => media(result, 'html', 'text/html', 'text/html; charset=UTF-8'),
  svg: (result: unknown): WebAnswer => media(result, 'svg', 'image/svg+xml', 'image/svg+xml'),
  text: (result: unknown): WebAnswer => {
    const text = shown(result, 'text');
    if (text === undefined) throw new RestError(404, TEXTS.propertyNotFound);
    return ok(TEXT_UTF8, typeof text === 'string' ? text : pretty(text));
  },
} as const;

export type WebExtension = keyof typeof PROJECTIONS;

/** `hello.json` is `hello` as JSON; a name without a known extension is projected as HTTP. */
export function splitExtension(name: string): { name: string; extension: WebExtension } {
  const [, base, extension] = /^(.+)\.(http|json|html|svg|text)$/.exec(name) ?? [];
  return { name: base ?? name, extension: (extension ?? 'http') as WebExtension };
}

/**
 * The answer to a request whose activation has ended. Of an application's error its `error` is shown as a result is.
 * @throws RestError 400 where the result does not have the form that is wanted, or the action failed otherwise; 404
 */
export function webAnswer({ response }: Activation, extension: WebExtension): WebAnswer {
  const { statusCode, result } = response;
  if (statusCode === STATUS.success) return PROJECTIONS[extension](result);
  if (statusCode !== STATUS.applicationError) throw new RestError(400, TEXTS.processingFailed);
  const { error } = (result ?? {}) as { error?: unknown };
  if (error === undefined) throw new RestError(404, TEXTS.propertyNotFound);
  return PROJECTIONS[extension](error);
}

function media(result: unknown, field: string, type: string, contentType: string): WebAnswer {
  const text = shown(result, field);
  if (typeof text !== 'string') throw notValid(type);
  return ok(contentType, text);
}

const ok = (contentType: string, body: string): WebAnswer => ({ status: 200, headers: [], contentType, body });

const notValid = (type: string): RestError => new RestError(400, TEXTS.invalidMedia(type));

/** Of an object its `body`, else the field that is called like the extension. */
function shown(result: unknown, field: string): unknown {
  if (!isObject(result)) return result;
  return Object.hasOwn(result, 'body') ? result['body'] : result[field];
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
