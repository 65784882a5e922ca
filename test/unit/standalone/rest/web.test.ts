import { GUEST } from '../../../../standalone/src/controller/identities';
import {
  ACTIONS,
  ACTIVATIONS,
  type Answer,
  basic,
  CODE,
  OTHER,
  type RestPlatform,
  restPlatform,
} from './rest-platform';

const WEB = '/api/v1/web/guest/default';
const pair = (key: string, value: unknown): object => ({ key, value });
const DEFAULT_CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH',
  'access-control-allow-headers': 'Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent',
};

let subject: RestPlatform;
const call: RestPlatform['call'] = (...args) => subject.call(...args);
const open: RestPlatform['call'] = (method, url, body, headers = {}) =>
  subject.call(method, url, body, { authorization: '', ...headers });
const putWeb = (name: string, annotations: object[] = [], body: object = {}): Promise<Answer> =>
  call('PUT', `${ACTIONS}/${name}`, {
    exec: { kind: 'nodejs:20', code: CODE },
    annotations: [pair('web-export', true), ...annotations],
    ...body,
  });

beforeEach(async () => {
  subject = await restPlatform();
  await subject.start();
});
afterEach(() => subject.stop());

describe('web actions', () => {
  it('run for who owns them, whoever calls, with the request as their arguments', async () => {
    await putWeb('hello', [], { parameters: [pair('own', 1)] });
    const { status, headers } = await open('POST', `${WEB}/hello.json/some/path?q=2`, { b: 3 }, { 'x-note': 'hi' });
    expect(status).toBe(200);
    const [message] = subject.invoker.received;
    expect(message?.user.namespace.name).toBe('guest');
    expect(message?.content).toMatchObject({
      ...{ own: 1, q: '2', b: 3, __ow_method: 'post', __ow_path: '/some/path' },
      __ow_headers: { 'x-note': 'hi', 'content-type': 'application/json' },
    });
    const shown = message?.content as { __ow_headers: object };
    expect(shown).not.toHaveProperty('__ow_user');
    expect(shown.__ow_headers).not.toHaveProperty('content-length');
    expect(headers['x-openwhisk-activation-id']).toBe(message?.activationId);
    expect((await call('GET', `${ACTIVATIONS}/${message?.activationId}`)).status).toBe(200);
    await open('GET', `${WEB}/hello.json`, undefined, { authorization: basic(OTHER.key) });
    expect(subject.invoker.received[1]?.content).toMatchObject({ __ow_user: 'other', __ow_path: '' });
    await open('GET', `${WEB}/hello.json`, undefined, { authorization: basic(`${OTHER.key}x`) });
    expect(subject.invoker.received[2]?.content).not.toHaveProperty('__ow_user');
  });

  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD'] as const)('take %s', async (method) => {
    await putWeb('hello');
    subject.behave({ result: { statusCode: 201, headers: { 'x-a': 'b' }, body: 'made' } });
    const answer = await open(method, `${WEB}/hello`);
    expect(answer).toMatchObject({ status: 201, headers: { ...DEFAULT_CORS, 'x-a': 'b' } });
    expect(answer.headers['content-type']).toBe('text/html; charset=UTF-8');
    expect(answer.body).toBe(method === 'HEAD' ? '' : 'made');
    expect(subject.invoker.received[0]?.content).toMatchObject({ __ow_method: method.toLowerCase() });
  });

  it('send bytes, and a header as often as the action gives it', async () => {
    await putWeb('image');
    const bytes = Buffer.from(Array.from({ length: 300 }, (_, index) => index % 256));
    const headers = { 'Content-Type': 'image/png', 'Set-Cookie': ['a=1', 'b=2'] };
    subject.behave({ result: { headers, body: bytes.toString('base64') } });
    const reply = await fetch(`${subject.address}${WEB}/image.http`);
    expect(reply.headers.get('content-type')).toBe('image/png');
    expect(reply.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
    expect(Buffer.from(await reply.arrayBuffer()).equals(bytes)).toBe(true);
  });

  it('in packages have the parameters of the package, also behind a binding', async () => {
    await call('PUT', '/api/v1/namespaces/_/packages/p', { parameters: [pair('from', 'package')] });
    await call('PUT', '/api/v1/namespaces/_/packages/q', { binding: { namespace: '_', name: 'p' } });
    await putWeb('p/hello');
    for (const name of ['p', 'q']) {
      const { body } = await open('GET', `/api/v1/web/guest/${name}/hello.json`);
      expect(body).toMatchObject({ from: 'package' });
    }
  });

  it('get query and body as they came where they are raw', async () => {
    await putWeb('raw', [pair('raw-http', true)]);
    await open('POST', `${WEB}/raw.json?a=%20&__ow_path=x`, 'plain text', { 'content-type': 'text/plain' });
    expect(subject.invoker.received[0]?.content).toMatchObject({
      __ow_query: 'a=%20&__ow_path=x',
      __ow_body: 'plain text',
    });
  });

  it('may be sequences', async () => {
    await putWeb('a');
    await putWeb('seq', [], { exec: { kind: 'sequence', components: ['/_/a'] } });
    expect((await open('GET', `${WEB}/seq.json?n=1`)).body).toMatchObject({ n: '1' });
  });

  it('say to browsers what they may, unless the action says so itself', async () => {
    await putWeb('hello');
    await putWeb('custom', [pair('web-custom-options', true)]);
    expect(await open('OPTIONS', `${WEB}/hello`)).toMatchObject({ status: 200, body: '', headers: DEFAULT_CORS });
    const asked = await open('OPTIONS', `${WEB}/hello`, undefined, { 'access-control-request-headers': 'x-mine' });
    expect(asked.headers['access-control-allow-headers']).toBe('x-mine');
    expect(subject.invoker.received).toHaveLength(0);
    subject.behave({ result: { headers: { 'access-control-allow-origin': 'https://mine' } } });
    const custom = await open('OPTIONS', `${WEB}/custom`);
    expect(custom).toMatchObject({ status: 204, headers: { 'access-control-allow-origin': 'https://mine' } });
    expect(custom.headers).not.toHaveProperty('access-control-allow-methods');
    expect(subject.invoker.received[0]?.content).toMatchObject({ __ow_method: 'options' });
  });

  it.each<[string, unknown, object, number]>([
    ['nothing', false, {}, 200],
    ['a key, and none is given', true, {}, 401],
    ['a key, and a wrong one is given', true, { authorization: basic(`${GUEST.key}x`) }, 401],
    ['a key, and one is given', true, { authorization: basic(OTHER.key) }, 200],
    ['a secret, and none is given', 'sesame', {}, 401],
    ['a secret, and a wrong one is given', 'sesame', { 'x-require-whisk-auth': 'x' }, 401],
    ['a secret, and it is given', 'sesame', { 'x-require-whisk-auth': 'sesame' }, 200],
    ['a number, and it is given', 42, { 'x-require-whisk-auth': '42' }, 200],
    ['what is neither', ['x'], { 'x-require-whisk-auth': 'x' }, 401],
  ])('that require %s', async (_what, required, headers, status) => {
    await putWeb('guarded', [pair('require-whisk-auth', required)]);
    expect((await open('GET', `${WEB}/guarded.json`, undefined, headers)).status).toBe(status);
    expect((await open('OPTIONS', `${WEB}/guarded.json`)).status).toBe(200);
  });

  it('expected failure: 202 when the wait is over, 400 for a failed action, 200 or its own for its own error', async () => {
    await putWeb('hello');
    subject.behave({ statusCode: 2, result: { error: 'secret' } });
    expect(await open('GET', `${WEB}/hello.json`)).toMatchObject({
      status: 400,
      body: { error: 'There was an error processing your request.', code: expect.any(String) },
    });
    subject.behave({ statusCode: 1, result: { error: { statusCode: 418, body: 'teapot' } } });
    expect(await open('GET', `${WEB}/hello`)).toMatchObject({ status: 418, body: 'teapot' });
    await subject.stop();
    subject = await restPlatform({ blockingWaitMs: 50 });
    await subject.start();
    await putWeb('hello');
    subject.behave({ delayMs: 300 });
    expect(await open('GET', `${WEB}/hello`)).toMatchObject({
      status: 202,
      body: { error: 'Response not yet ready.' },
    });
  });

  it('bad call: 404 for what is not exported, not there or has no such namespace, and says why there is no gateway', async () => {
    await call('PUT', `${ACTIONS}/private`, { exec: { kind: 'nodejs:20', code: CODE } });
    await putWeb('text', [pair('web-export', 'true')]);
    for (const path of [
      'guest/default/private',
      'guest/default/text',
      'guest/default/none',
      'guest/none/x',
      'no/default/x',
    ]) {
      expect(await open('GET', `/api/v1/web/${path}`)).toMatchObject({
        status: 404,
        body: { error: 'The requested resource does not exist.' },
      });
    }
    expect((await call('GET', '/api/v1/web/whisk.system/apimgmt/getApi.http')).body.error).toBe(
      'The requested resource does not exist. No API gateway is installed.',
    );
  });

  it('bad call: 400 for reserved parameters, 413 for too much, 429 for too often', async () => {
    await putWeb('hello');
    expect((await open('GET', `${WEB}/hello?__ow_method=x`)).status).toBe(400);
    expect(await open('POST', `${WEB}/hello`, { a: 'x'.repeat(1024 ** 2) })).toMatchObject({
      status: 413,
      body: { error: expect.stringContaining('larger than allowed') },
    });
    await subject.stop();
    subject = await restPlatform({}, { guest: { invocationsPerMinute: 0 } });
    await subject.start();
    await putWeb('hello');
    expect((await open('GET', `${WEB}/hello`)).status).toBe(429);
  });
});
