import type { Activation } from '@tetris/common';
import {
  splitExtension,
  type WebAnswer,
  webAnswer,
  type WebExtension,
} from '../../../../standalone/src/controller/web/projection';
import { pretty } from '../../../../standalone/src/controller/web/pretty';
import { anActivation } from '../../../support/entities';

const PNG = Buffer.from('89504e470d0a1a0a', 'hex');
const of = (result: unknown, statusCode = 0): Activation => anActivation({ response: { statusCode, result } });
const project = (result: unknown, extension: WebExtension, statusCode = 0): WebAnswer =>
  webAnswer(of(result, statusCode), extension);
const http = (result: unknown): WebAnswer => project(result, 'http');

describe('the extension of a web action', () => {
  it.each([
    ['hello', 'hello', 'http'],
    ['hello.http', 'hello', 'http'],
    ['hello.json', 'hello', 'json'],
    ['a.b.svg', 'a.b', 'svg'],
    ['hello.pdf', 'hello.pdf', 'http'],
    ['.json', '.json', 'http'],
  ])('%s is %s as %s', (text, name, extension) => {
    expect(splitExtension(text)).toEqual({ name, extension });
  });
});

describe('a result as an HTTP answer', () => {
  it.each<[string, WebExtension, unknown, string | undefined, string]>([
    ['an object', 'json', { a: [1] }, 'application/json', '{"a":[1]}'],
    ['an array', 'json', [1, 2], 'application/json', '[1,2]'],
    ['its body', 'html', { body: '<b>', html: 'x' }, 'text/html; charset=UTF-8', '<b>'],
    ['its html', 'html', { html: '<i>' }, 'text/html; charset=UTF-8', '<i>'],
    ['its svg', 'svg', { svg: '<svg/>' }, 'image/svg+xml', '<svg/>'],
    ['its text', 'text', { text: 'hi' }, 'text/plain; charset=UTF-8', 'hi'],
    ['a number in its body', 'text', { body: 3 }, 'text/plain; charset=UTF-8', '3'],
    ['a null in its body', 'text', { body: null, text: 'x' }, 'text/plain; charset=UTF-8', 'null'],
    ['an object in its text', 'text', { text: { a: 1 } }, 'text/plain; charset=UTF-8', '{\n  "a": 1\n}'],
    ['an array', 'text', [1, 'a'], 'text/plain; charset=UTF-8', '[1, "a"]'],
    ['a text body', 'http', { body: 'hi' }, 'text/html; charset=UTF-8', 'hi'],
    ['an object body', 'http', { body: { a: 1 } }, 'application/json', '{"a":1}'],
    ['a number body', 'http', { body: 3 }, 'application/json', '3'],
  ])('shows %s as .%s', (_what, extension, result, contentType, body) => {
    expect(project(result, extension)).toEqual({ status: 200, headers: [], contentType, body });
  });

  it('takes status and headers, a header for each element of an array', () => {
    const headers = { location: 'http://x', 'Set-Cookie': ['a=1', 'b=2'], 'x-n': 3, 'x-b': true };
    expect(http({ statusCode: 302, headers, body: '' })).toEqual({
      status: 302,
      headers: [
        ['location', 'http://x'],
        ['Set-Cookie', 'a=1'],
        ['Set-Cookie', 'b=2'],
        ['x-n', '3'],
        ['x-b', 'true'],
      ],
      body: '',
    });
    expect(http({ statusCode: '444', body: 'x' }).status).toBe(444);
    expect(http({}).status).toBe(204);
    expect(http({ statusCode: 201, body: null })).toMatchObject({ status: 201, body: '' });
  });

  it.each<[string, unknown, string, string | Buffer]>([
    ['image/png', PNG.toString('base64'), 'image/png', PNG],
    ['image/svg+xml;charset=utf-8', '<svg/>', 'image/svg+xml;charset=utf-8', '<svg/>'],
    ['application/octet-stream', PNG.toString('base64'), 'application/octet-stream', PNG],
    ['text/css', 'a{}', 'text/css; charset=UTF-8', 'a{}'],
    ['text/css; charset=latin1', 'a{}', 'text/css; charset=latin1', 'a{}'],
    ['application/json', 'no base64!', 'application/json', 'no base64!'],
    ['application/json', Buffer.from('{"a":1}').toString('base64'), 'application/json', Buffer.from('{"a":1}')],
    ['application/json', [1, { b: 2 }], 'application/json', '[1,{"b":2}]'],
    ['application/hal+json', { b: 2 }, 'application/hal+json', '{\n  "b": 2\n}'],
    ['application/xml', '<a/>', 'application/xml; charset=UTF-8', '<a/>'],
  ])('sends a body of type %s', (type, body, contentType, sent) => {
    expect(http({ headers: { 'Content-Type': type }, body })).toEqual({
      status: 200,
      headers: [],
      contentType,
      body: sent,
    });
  });

  it.each<[string, WebExtension, unknown, number, string]>([
    ['a text', 'json', 'x', 400, "Response is not valid 'application/json'."],
    ['a number', 'html', { html: 1 }, 400, "Response is not valid 'text/html'."],
    ['nothing', 'svg', {}, 400, "Response is not valid 'image/svg+xml'."],
    ['nothing', 'text', {}, 404, 'Response does not include requested property.'],
    ['an array', 'http', [1], 400, "Response is not valid 'message/http'."],
    ['a status that is none', 'http', { statusCode: 'ok' }, 400, "Response is not valid 'message/http'."],
    ['a status out of range', 'http', { statusCode: 600 }, 400, "Response is not valid 'message/http'."],
    ['half a status', 'http', { statusCode: 200.5 }, 400, "Response is not valid 'message/http'."],
    ['headers that are none', 'http', { headers: 'x' }, 400, "Response is not valid 'message/http'."],
    ['a header with a line break', 'http', { headers: { a: 'b\nc' } }, 400, "Response is not valid 'message/http'."],
    ['a header that is an object', 'http', { headers: { a: {} } }, 400, "Response is not valid 'message/http'."],
    [
      'a type that is none',
      'http',
      { headers: { 'content-type': 'xyzbar' }, body: 'x' },
      400,
      'Response did not specify a known content-type.',
    ],
    [
      'an object as a page',
      'http',
      { headers: { 'content-type': 'text/html' }, body: {} },
      400,
      'Response type in header did not match generated content type.',
    ],
    [
      'an image that is no base64',
      'http',
      { headers: { 'content-type': 'image/png' }, body: '<png>' },
      400,
      'Response type in header did not match generated content type.',
    ],
  ])('bad call: refuses %s as .%s', (_what, extension, result, status, message) => {
    expect(() => project(result, extension)).toThrow(expect.objectContaining({ status, message }));
  });

  it("shows an application's error as it shows a result, and no other failure", () => {
    expect(project({ error: { statusCode: 404, body: 'gone' } }, 'http', 1)).toMatchObject({
      status: 404,
      body: 'gone',
    });
    expect(project({ error: 'why' }, 'text', 1)).toMatchObject({ status: 200, body: 'why' });
    const failed = { status: 400, message: 'There was an error processing your request.' };
    for (const statusCode of [2, 3]) {
      expect(() => project({ error: 'secret' }, 'text', statusCode)).toThrow(expect.objectContaining(failed));
    }
  });
});

describe('pretty', () => {
  it('prints fields on lines of their own and arrays on one', () => {
    expect(pretty({ a: [1, { b: null }], c: {} })).toBe('{\n  "a": [1, {\n    "b": null\n  }],\n  "c": {\n\n  }\n}');
  });
});
