import { parsedArguments, rawArguments, type WebRequest } from '../../../../standalone/src/controller/web/arguments';

const request = (overrides: Partial<WebRequest> & { type?: string; text?: string } = {}): WebRequest => {
  const { type, text = '', ...rest } = overrides;
  const headers = { host: 'h', ...(type === undefined ? {} : { 'content-type': type }) };
  return { method: 'POST', headers, path: '', query: '', body: Buffer.from(text), ...rest };
};
const own = (args: Record<string, unknown>): object =>
  Object.fromEntries(Object.entries(args).filter(([name]) => !/^__ow_(method|headers|path|user)$/.test(name)));
const parsed = (overrides: Parameters<typeof request>[0], fixed: string[] = []): object =>
  own(parsedArguments(request(overrides), {}, fixed));
const JSON_TYPE = 'application/json';

describe('arguments of a web action', () => {
  it('tell method, headers, path and, with a valid key, who calls', () => {
    const args = parsedArguments(request({ method: 'GET', path: '/a%20b/' }), { namespace: 'guest' }, []);
    expect(args).toEqual({
      __ow_method: 'get',
      __ow_headers: { host: 'h' },
      __ow_path: '/a%20b/',
      __ow_user: 'guest',
    });
  });

  it.each<[string, Parameters<typeof request>[0], object]>([
    ['query', { query: 'a=1&b=x%20y&c=&d=1&d=2' }, { a: '1', b: 'x y', c: '', d: '2' }],
    ['a JSON object, which wins', { query: 'a=1&b=2', type: JSON_TYPE, text: '{"b":3}' }, { a: '1', b: 3 }],
    ['a JSON array', { type: JSON_TYPE, text: '[1]' }, { __ow_body: [1] }],
    ['a JSON text', { type: `${JSON_TYPE}; charset=utf-8`, text: '"x"' }, { __ow_body: 'x' }],
    ['other JSON', { type: 'application/ld+json', text: '{"a":1}' }, { a: 1 }],
    ['a form', { type: 'application/x-www-form-urlencoded', text: 'a=1&b=x+y' }, { a: '1', b: 'x y' }],
    ['text', { type: 'text/plain', text: 'hi' }, { __ow_body: 'hi' }],
    ['anything else, as base64', { type: 'image/png', text: 'hi' }, { __ow_body: 'aGk=' }],
    ['a body without a type, as base64', { text: 'hi' }, { __ow_body: 'aGk=' }],
    ['no body', { type: JSON_TYPE }, {}],
  ])('take %s', (_what, overrides, expected) => {
    expect(parsed(overrides)).toEqual(expected);
  });

  it('bad call: refuse JSON that is none, reserved names and final parameters, in query and body', () => {
    const refusal = (overrides: Parameters<typeof request>[0]): object => {
      try {
        return parsed(overrides, ['fixed']);
      } catch (error) {
        const { status, message } = error as { status: number; message: string };
        return { status, message };
      }
    };
    expect(refusal({ type: JSON_TYPE, text: '{"a"' })).toMatchObject({ status: 400 });
    const message = 'Request defines parameters that are not allowed (e.g., reserved properties).';
    for (const overrides of [
      { query: '__ow_path=x' },
      { query: 'fixed=1' },
      { type: JSON_TYPE, text: '{"__ow_user":"root"}' },
      { type: JSON_TYPE, text: '{"fixed":1}' },
    ]) {
      expect(refusal(overrides)).toEqual({ status: 400, message });
    }
    expect(refusal({ query: 'free=1' })).toEqual({ free: '1' });
  });
});

describe('arguments of a raw web action', () => {
  it.each<[string, Parameters<typeof request>[0], object]>([
    ['nothing', {}, { __ow_query: '', __ow_body: '' }],
    [
      'query as it came, reserved names too',
      { query: 'a=%20&__ow_path=x' },
      { __ow_query: 'a=%20&__ow_path=x', __ow_body: '' },
    ],
    ['JSON, as base64', { type: JSON_TYPE, text: '{}' }, { __ow_query: '', __ow_body: 'e30=' }],
    ['text', { type: 'text/plain', text: '{}' }, { __ow_query: '', __ow_body: '{}' }],
    ['a form', { type: 'application/x-www-form-urlencoded', text: 'a=1' }, { __ow_query: '', __ow_body: 'a=1' }],
    ['anything else, as base64', { type: 'application/zip', text: 'hi' }, { __ow_query: '', __ow_body: 'aGk=' }],
  ])('take %s', (_what, overrides, expected) => {
    expect(own(rawArguments(request(overrides), {}))).toEqual(expected);
  });
});
