/** The whole of OpenWhisk's API by its npm client, with what that client's own integration tests ask of a platform. */
import { type Platform, startPlatform } from '@tetris/standalone';
import type openwhisk from 'openwhisk';
import { zip } from '../support/archives';
import { clientOf, type Json, rejection } from '../support/platform';
import { until } from '../support/until';

const HELLO = 'function main({ name = "stranger" }) { return { payload: `Hello ${name}` }; }';

let platform: Platform;
let client: openwhisk.Client;
beforeAll(async () => {
  platform = await startPlatform();
  client = clientOf(platform);
});
afterAll(() => platform.stop());

const statusOf = async (call: Promise<unknown>): Promise<number> => (await rejection(call)).status;
const web = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`${platform.url}/api/v1/web/guest/${path}`, init);

describe('the npm client', () => {
  it.each(['actions', 'packages', 'triggers', 'rules', 'activations'] as const)('lists %s', async (collection) => {
    expect(Array.isArray(await client[collection].list())).toBe(true);
    expect(Array.isArray(await client[collection].list({ namespace: 'guest', limit: 1, skip: 0 }))).toBe(true);
    const counted: Json = await client[collection].list({ count: true });
    expect(counted).toEqual({ [collection]: expect.any(Number) });
  });

  it('gets everything in its namespace', async () => {
    expect(await client.namespaces.list()).toEqual(['guest']);
    const all: Json = await (client.namespaces as Json).get();
    expect(Object.keys(all).sort()).toEqual(['actions', 'packages', 'rules', 'triggers']);
  });

  it.each(['actions', 'packages', 'triggers', 'rules'] as const)(
    'bad call: 404 for %s that are not there',
    async (collection) => {
      expect(await statusOf(client[collection].get({ name: 'glorfindel' }))).toBe(404);
      expect(await statusOf(client[collection].delete({ name: 'glorfindel' }))).toBe(404);
    },
  );

  it('creates, updates and deletes packages, and runs what is in them', async () => {
    const created: Json = await client.packages.create({ name: 'p' });
    expect(created).toMatchObject({ name: 'p', namespace: 'guest', annotations: [], version: '0.0.1' });
    expect(await client.packages.update({ name: 'p' })).toMatchObject({ version: '0.0.2' });
    await client.actions.create({ name: 'p/hello', action: HELLO });
    expect(await client.packages.get({ name: 'p' })).toMatchObject({ actions: [{ name: 'hello' }] });
    const result: unknown = await client.actions.invoke({ name: 'p/hello', blocking: true, result: true });
    expect(result).toEqual({ payload: 'Hello stranger' });
    expect(await statusOf(client.packages.delete({ name: 'p' }))).toBe(409);
    await client.actions.delete({ name: 'p/hello' });
    await client.packages.delete({ name: 'p' });
  });

  it("runs an archive without a kind, and the system's utilities by their full names", async () => {
    const action = zip([
      { name: 'package.json', data: '{"main":"index.js"}' },
      { name: 'index.js', data: 'exports.main = (params) => params;' },
    ]);
    await client.actions.create({ name: 'archive', action });
    const params = { hello: 'world' };
    const record: Json = await client.actions.invoke({ name: 'archive', params, blocking: true });
    expect(record.response).toMatchObject({ success: true, result: params });
    const utility = async (name: string, given: object): Promise<unknown> =>
      client.actions.invoke({ name: `/whisk.system/utils/${name}`, params: given, blocking: true, result: true });
    expect(await utility('sort', { lines: ['c', 'a', 'b'] })).toEqual({ lines: ['a', 'b', 'c'], length: 3 });
    expect(await utility('split', { payload: 'a,b', separator: ',' })).toEqual({ lines: ['a', 'b'], payload: 'a,b' });
    expect(await utility('cat', { lines: [4, 2] })).toEqual({ lines: [4, 2], payload: '4\n2' });
    expect(await utility('head', { lines: [4, 2, 3], num: 2 })).toEqual({ lines: [4, 2], num: 2 });
    expect(await utility('smash', { a: 1, $fieldName: 'p' })).toEqual({ p: { a: 1 } });
    expect(await utility('namespace', {})).toEqual({ namespace: 'guest' });
    expect(await utility('date', {})).toEqual({ date: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) });
    expect(await utility('hosturl', { path: 'x', web: true, ext: '.json' })).toEqual({
      url: `${platform.url}/api/v1/web/guest/default/x.json`,
    });
  });

  it('creates, runs and deletes a sequence', async () => {
    await client.actions.create({ name: 'hello', action: HELLO });
    const sequence = ['/whisk.system/utils/echo', '/_/hello'];
    const created: Json = await client.actions.create({ name: 'seq', sequence } as never);
    expect(created.exec).toEqual({ kind: 'sequence', components: ['/whisk.system/utils/echo', '/guest/hello'] });
    const record: Json = await client.actions.invoke({ name: 'seq', params: { name: 'you' }, blocking: true });
    expect(record.response.result).toEqual({ payload: 'Hello you' });
    expect(record.logs).toHaveLength(2);
    const [first]: Json = await Promise.all(record.logs.map((id: string) => client.activations.get({ name: id })));
    expect(first).toMatchObject({ name: 'echo', cause: record.activationId });
    expect(first.annotations).toContainEqual({ key: 'causedBy', value: 'sequence' });
    await client.actions.delete({ name: 'seq' });
  });

  it('fires a trigger whose rule runs an action, and not when the rule is disabled', async () => {
    const trigger: Json = await client.triggers.create({ name: 't' });
    expect(trigger).toMatchObject({ name: 't', namespace: 'guest', annotations: [], version: '0.0.1', limits: {} });
    const rule: Json = await client.rules.create({ name: 'r', action: '/whisk.system/utils/echo', trigger: '/_/t' });
    expect(rule).toMatchObject({
      action: { path: 'whisk.system/utils', name: 'echo' },
      trigger: { path: 'guest', name: 't' },
    });
    const { activationId }: Json = await client.triggers.invoke({ name: 't', params: { n: 1 } });
    const { logs }: Json = await client.activations.get({ name: activationId });
    const [outcome] = logs.map((line: string) => JSON.parse(line));
    expect(outcome).toMatchObject({ rule: 'guest/r', action: 'whisk.system/utils/echo', success: true });
    const there = (): Promise<boolean> =>
      client.activations.get({ name: outcome.activationId }).then(
        () => true,
        () => false,
      );
    await until(there);
    expect(await client.activations.result({ name: outcome.activationId })).toMatchObject({ result: { n: 1 } });
    await client.rules.disable({ name: 'r' });
    expect(await client.rules.get({ name: 'r' })).toMatchObject({ status: 'inactive' });
    expect(await client.triggers.invoke({ name: 't' })).not.toHaveProperty('activationId');
    await client.rules.update({ name: 'r', action: 'hello', trigger: 't' });
    expect(await client.rules.get({ name: 'r' })).toMatchObject({
      status: 'inactive',
      action: { path: 'guest', name: 'hello' },
    });
    await client.rules.enable({ name: 'r' });
    await client.rules.delete({ name: 'r' });
    await client.triggers.delete({ name: 't' });
  });

  it('bad call: is told of feeds and routes what is not there', async () => {
    const feed = client.feeds.create({ feedName: '/whisk.system/alarms/alarm', trigger: '/guest/t' } as never);
    expect((await rejection(feed)).error.error).toMatch(/not authorized to access 'whisk.system\/alarms'/);
    expect(await rejection((client.routes as Json).list())).toMatchObject({
      status: 404,
      error: { error: expect.stringMatching(/No API gateway is installed/) },
    });
  });

  it('creates a feed, whose life cycle is a call of its action', async () => {
    await client.triggers.create({ name: 'fed' });
    const params = { feedName: '/whisk.system/utils/echo', trigger: '/guest/fed', params: { cron: '*' } };
    for (const [method, event] of [
      ['create', 'CREATE'],
      ['get', 'READ'],
      ['update', 'UPDATE'],
      ['delete', 'DELETE'],
    ] as const) {
      const { response }: Json = await (client.feeds as Json)[method](params);
      expect(response.result).toMatchObject({ lifecycleEvent: event, triggerName: '/guest/fed', cron: '*' });
    }
  });

  it('installs what everybody may use, with the key of the system', async () => {
    const key = '789c46b1-71f6-4ed5-8c54-816aa4f8c502:abczO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP';
    const system = clientOf({ url: platform.url, auth: key });
    await system.packages.create({ name: 'alarms', package: { publish: true } });
    await system.actions.create({ name: 'alarms/alarm', action: HELLO });
    const feed: Json = await client.feeds.create({
      feedName: '/whisk.system/alarms/alarm',
      trigger: '/_/fed',
    } as never);
    expect(feed.response.success).toBe(true);
  });
});

describe('right after an answer', () => {
  const lastLogs = async (): Promise<string[]> => {
    const [last]: Json = await client.activations.list({ limit: 1 });
    const { logs }: Json = await client.activations.logs({ name: last.activationId });
    return logs;
  };

  it.each<[string, string]>([
    ['ends well', 'return { n };'],
    ['throws', 'throw new Error("no");'],
    ['ends its process', 'process.exit(1);'],
    ['needs more memory than it may have', 'const all = []; for (;;) all.push(Buffer.alloc(2 ** 24, 1));'],
  ])('the last activation is that of an action that %s, with its logs', async (_what, code) => {
    const action = `function main({ n }) { console.log('this is ' + n); ${code} }`;
    await client.actions.update({ name: 'last', action, limits: { memory: 128 } });
    for (const n of [1, 2]) {
      const answer = client.actions.invoke({ name: 'last', params: { n }, blocking: true });
      await Promise.resolve(answer).catch((error: unknown) => error);
      expect((await lastLogs()).join('\n')).toContain(`this is ${n}`);
    }
  });
});

describe('a web action', () => {
  const put = (name: string, action: string, annotations: object = {}): Promise<unknown> =>
    client.actions.update({ name, action, annotations: { 'web-export': true, ...annotations } });

  it('answers pages, images, JSON and redirects to whoever asks', async () => {
    await put('page', 'function main({ name }) { return { html: `<b>${name}</b>` }; }');
    const page = await web('default/page.html?name=you');
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=UTF-8']);
    expect(await page.text()).toBe('<b>you</b>');
    await put(
      'image',
      `function main() {
      return { headers: { 'Content-Type': 'image/png' }, body: Buffer.from([137, 80, 78, 71]).toString('base64') };
    }`,
    );
    const image = await web('default/image');
    expect(image.headers.get('content-type')).toBe('image/png');
    expect([...new Uint8Array(await image.arrayBuffer())]).toEqual([137, 80, 78, 71]);
    await put('away', 'function main() { return { statusCode: 302, headers: { location: "/x" } }; }');
    const away = await web('default/away', { redirect: 'manual' });
    expect([away.status, away.headers.get('location')]).toEqual([302, '/x']);
    const body = new URLSearchParams({ name: 'form' });
    expect(await (await web('default/page.json', { method: 'POST', body })).json()).toEqual({ html: '<b>form</b>' });
  });

  it('may be called by browsers from anywhere, as the API itself', async () => {
    for (const url of ['/api/v1/web/guest/default/page', '/api/v1/namespaces/_/actions/hello']) {
      const headers = { origin: 'https://elsewhere', 'access-control-request-method': 'POST' };
      const preflight = await fetch(platform.url + url, { method: 'OPTIONS', headers });
      expect(preflight.status).toBe(200);
      expect(preflight.headers.get('access-control-allow-origin')).toBe('*');
      expect(preflight.headers.get('access-control-allow-methods')).toContain('POST');
    }
  });

  it('is called with a key or a secret where it asks for one', async () => {
    await put('guarded', 'function main(args) { return { text: args.__ow_user || "nobody" }; }', {
      'require-whisk-auth': 'sesame',
    });
    expect((await web('default/guarded.text')).status).toBe(401);
    const opened = await web('default/guarded.text', { headers: { 'x-require-whisk-auth': 'sesame' } });
    expect([opened.status, await opened.text()]).toEqual([200, 'nobody']);
  });
});
