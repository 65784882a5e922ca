/** `{statusCode, headers, body}` as an HTTP answer. Pure. Source: `K/controller/WebActions.scala` resultAsHttp. */
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { isBinaryCode } from '@tetris/common';
import { RestError } from '../rest-error';
import { TEXTS } from '../texts';
import { isJson, isText, type MediaType, parseMediaType } from './media-types';
import { pretty } from './pretty';
import type { WebAnswer } from './projection';

const JSON_TYPE = 'application/json';
const HTML_TYPE = 'text/html';

/** @throws RestError 400 */
export function httpAnswer(result: unknown): WebAnswer {
  if (typeof result !== 'object' || result === null || Array.isArray(result)) throw invalid();
  const { statusCode, headers: given, body } = result as { statusCode?: unknown; headers?: unknown; body?: unknown };
  const status = statusOf(statusCode);
  const all = headersOf(given);
  const headers = all.filter(([name]) => name.toLowerCase() !== 'content-type');
  if (body == null || body === '') return { status: status ?? 204, headers, body: '' };
  const [, contentType] = all.find(([name]) => name.toLowerCase() === 'content-type') ?? [];
  const content = typeof body === 'string' ? textContent(body, contentType) : jsonContent(body, contentType);
  return { status: status ?? 200, headers, ...content };
}

const invalid = (): RestError => new RestError(400, TEXTS.invalidMedia('message/http'));

/** A final status, as number or text; undefined where none is given. */
function statusOf(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const status = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof status === 'number' && Number.isInteger(status) && status >= 200 && status <= 599) return status;
  throw invalid();
}

function headersOf(value: unknown): [string, string][] {
  if (value === undefined) return [];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid();
  return Object.entries(value).flatMap(([name, each]) => headerLines(name, each));
}

/** An array is a line for each of its elements. */
function headerLines(name: string, value: unknown): [string, string][] {
  if (Array.isArray(value)) return value.flatMap((each) => headerLines(name, each));
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') throw invalid();
  try {
    validateHeaderName(name);
    validateHeaderValue(name, String(value));
  } catch {
    throw invalid();
  }
  return [[name, String(value)]];
}

type Content = Pick<WebAnswer, 'contentType' | 'body'>;

function textContent(body: string, contentType = HTML_TYPE): Content {
  const media = mediaOf(contentType);
  // Actions may still give JSON as base64, as all had to once.
  if (isText(media) && !(isJson(media) && isBinaryCode(body)))
    return { contentType: withCharset(contentType, media), body };
  if (!isBinaryCode(body)) throw new RestError(400, TEXTS.contentTypeMismatch);
  return { contentType, body: Buffer.from(body, 'base64') };
}

function jsonContent(body: unknown, contentType = JSON_TYPE): Content {
  const media = mediaOf(contentType);
  if (media.type === JSON_TYPE) return { contentType: JSON_TYPE, body: JSON.stringify(body) };
  if (isJson(media)) return { contentType, body: pretty(body) };
  throw new RestError(400, TEXTS.contentTypeMismatch);
}

function mediaOf(contentType: string): MediaType {
  const media = parseMediaType(contentType);
  if (media === undefined) throw new RestError(400, TEXTS.unknownContentType);
  return media;
}

const withCharset = (contentType: string, media: MediaType): string =>
  media.hasCharset || isJson(media) ? contentType : `${contentType}; charset=UTF-8`;
