import { createLogger, EmbeddedStore, MemoryBus, Topics, type UserLimits } from '@tetris/common';
import { Controller } from '../../../../standalone/src/controller/controller';
import { GUEST, Identities, type Subject } from '../../../../standalone/src/controller/identities';
import { SYSTEM_LIMITS, type SystemLimits } from '../../../../standalone/src/controller/limits';
import { restServer } from '../../../../standalone/src/controller/rest/server';
import { ShardingBalancer } from '../../../../standalone/src/controller/balancer/sharding-balancer';
import { type Behaviour, FakeInvoker } from '../../../support/fake-invoker';
import { until } from '../../../support/until';

const log = createLogger('test', 'silent');
const ACTIONS = '/api/v1/namespaces/_/actions';
const ACTIVATIONS = '/api/v1/namespaces/_/activations';
const CODE = 'function main(args) { return args; }';
const OTHER: Subject = { name: 'other', key: `11111111-2222-4333-8444-555555555555:${'x'.repeat(64)}` };
const basic = (key: string): string => `Basic ${Buffer.from(key).toString('base64')}`;

interface Answer {
  status: number;
  body: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- the tests read answers freely
  headers: Record<string, unknown>;
}

async function platform(limits: Partial<SystemLimits> = {}, userLimits: Record<string, UserLimits> = {}) {
  const bus = new MemoryBus(log);
  const store = await EmbeddedStore.open({ log, limits: userLimits });
  const topics = new Topics('');
  let behaviour: Behaviour = {};
  const invoker = new FakeInvoker({ bus, topics, instance: 0, memoryMb: 4096, store, behave: () => behaviour });
  const balancer = new ShardingBalancer({ bus, topics, controller: '0', log });
  await balancer.start();
  const options = { id: '0', store, balancer, limits: { ...SYSTEM_LIMITS, ...limits }, now: Date.now };
  const server = restServer({
    controller: new Controller(options),
    identities: new Identities([GUEST, OTHER]),
    log,
    now: Date.now,
  });
  const address = await server.listen({ host: '127.0.0.1', port: 0 });
  const call = async (
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    url: string,
    body?: unknown,
    headers = {},
  ): Promise<Answer> => {
    const payload = typeof body === 'string' ? body : JSON.stringify(body);
    const reply = await fetch(`${address}${url}`, {
      method,
      headers: { authorization: basic(GUEST.key), 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: payload }),
    });
    const text = await reply.text();
    return {
      status: reply.status,
      body: text.startsWith('{') || text.startsWith('[') ? JSON.parse(text) : text,
      headers: Object.fromEntries(reply.headers),
    };
  };
  return {
    call,
    invoker,
    balancer,
    behave: (next: Behaviour) => (behaviour = next),
    start: async () => {
      await invoker.start();
      await until(() => balancer.states()[0] === 'healthy');
    },
    stop: async () => {
      await invoker.stop();
      await balancer.stop();
      await server.close();
      await bus.close();
    },
  };
}

let subject: Awaited<ReturnType<typeof platform>>;
const call: typeof subject.call = (...args) => subject.call(...args);
const put = (name: string, body: object = {}, query = ''): Promise<Answer> =>
  call('PUT', `${ACTIONS}/${name}${query}`, { exec: { kind: 'nodejs:20', code: CODE }, ...body });

describe('REST surface', () => {
  beforeEach(async () => {
    subject = await platform();
    await subject.start();
  });
  afterEach(() => subject.stop());

  describe('without a key', () => {
    const open = (url: string): Promise<Answer> => call('GET', url, undefined, { authorization: '' });

    it('says what the platform is', async () => {
      const { status, body } = await open('/');
      expect(status).toBe(200);
      expect(body.api_paths).toEqual(['/api/v1']);
      expect(body.limits).toMatchObject({
        concurrent_actions: 1000,
        default_action_duration: 60000,
        min_action_memory: 134217728,
      });
      const kinds = body.runtimes.nodejs.map((kind: { kind: string; default: boolean }) => [kind.kind, kind.default]);
      expect(kinds).toEqual([
        ['nodejs:20', true],
        ['nodejs:tetris', false],
      ]);
      expect(await open('/ping')).toMatchObject({ status: 200, body: 'pong' });
      expect((await open('/api/v1')).body).toMatchObject({ api_version: '1.0.0', api_version_path: 'v1' });
    });

    it('shows the invokers to operators', async () => {
      expect((await open('/invokers')).body).toEqual({ 'invoker0/fake': 'up' });
      expect((await open('/invokers/ready')).status).toBe(200);
      expect((await open('/invokers/healthy/count')).body).toBe('1');
    });

    it.each(['', 'Basic', basic('x:y'), basic(`${GUEST.key}x`), 'Bearer abc'])(
      'bad call: refuses %p below namespaces',
      async (authorization) => {
        const { status, body } = await call('GET', ACTIONS, undefined, { authorization });
        expect(status).toBe(401);
        expect(body.error).toMatch(/authentication/);
      },
    );
  });

  it('bad call: refuses the namespace of another subject', async () => {
    const { status, body } = await call('GET', '/api/v1/namespaces/other/actions');
    expect(status).toBe(403);
    expect(body.error).toContain('other');
    expect((await call('GET', '/api/v1/namespaces/guest/actions')).status).toBe(200);
  });

  it('names the namespace and its limits', async () => {
    expect((await call('GET', '/api/v1/namespaces')).body).toEqual(['guest']);
    expect((await call('GET', '/api/v1/namespaces/_/limits')).body).toMatchObject({
      concurrentInvocations: 1000,
      maxActionMemory: 4096,
    });
  });

  it('echoes a request id as header and as the code of errors, and makes one where there is none', async () => {
    const given = await call('GET', `${ACTIONS}/none`, undefined, { 'x-request-id': 'my-request' });
    expect(given.headers['x-request-id']).toBe('my-request');
    expect(given.body.code).toBe('my-request');
    const made = await call('GET', `${ACTIONS}/none`);
    expect(made.headers['x-request-id']).toMatch(/^[A-Za-z0-9]{32}$/);
    expect(made.body.code).toBe(made.headers['x-request-id']);
  });

  it.each(['packages', 'triggers', 'rules', 'packages/vision', 'actions/vision/classify'])(
    'bad call: says that standalone has no %s',
    async (path) => {
      for (const method of ['GET', 'PUT', 'POST', 'DELETE'] as const) {
        const { status, body } = await call(method, `/api/v1/namespaces/_/${path}`, method === 'PUT' ? {} : undefined);
        expect(status).toBe(400);
        expect(body.error).toMatch(/standalone has no (packages|triggers|rules)/);
      }
    },
  );

  describe('actions', () => {
    it('stores an action with what the server adds', async () => {
      const { status, body } = await put('classify', {
        annotations: [{ key: 'a', value: 1 }],
        parameters: [{ key: 'p', value: 2 }],
      });
      expect(status).toBe(200);
      expect(body).toMatchObject({
        namespace: 'guest',
        name: 'classify',
        version: '0.0.1',
        publish: false,
        exec: { kind: 'nodejs:20', code: CODE, binary: false },
        limits: { timeout: 60000, memory: 256, logs: 10, concurrency: 1 },
        parameters: [{ key: 'p', value: 2 }],
      });
      const pairs = Object.fromEntries(
        body.annotations.map(({ key, value }: { key: string; value: unknown }) => [key, value]),
      );
      expect(pairs).toEqual({ a: 1, exec: 'nodejs:20', 'provide-api-key': false });
      expect(body.revision).toBeUndefined();
      expect((await call('GET', `${ACTIONS}/classify`)).body).toEqual(body);
    });

    it('leaves the code out when asked, resolves the default kind and computes binary', async () => {
      await put('a', { exec: { kind: 'nodejs:default', code: 'UEsDBBQAAAAIAA==', binary: false, main: 'run' } });
      const { body } = await call('GET', `${ACTIONS}/a?code=false`);
      expect(body.exec).toEqual({ kind: 'nodejs:20', binary: true, main: 'run' });
    });

    it('keeps on update what is left out, merges annotations, and raises the patch version', async () => {
      await put('a', {
        annotations: [
          { key: 'x', value: 1 },
          { key: 'y', value: 2 },
        ],
        parameters: [{ key: 'p', value: 1 }],
        limits: { memory: 512, concurrency: 4 },
      });
      const update = {
        annotations: [
          { key: 'y', value: 3 },
          { key: 'z', value: 4 },
        ],
        delAnnotations: ['x'],
        limits: { timeout: 1000 },
      };
      const { status, body } = await call('PUT', `${ACTIONS}/a?overwrite=true`, update);
      expect(status).toBe(200);
      expect(body).toMatchObject({
        version: '0.0.2',
        exec: { code: CODE },
        parameters: [{ key: 'p', value: 1 }],
        limits: { timeout: 1000, memory: 512, logs: 10, concurrency: 4 },
      });
      const pairs = Object.fromEntries(
        body.annotations.map(({ key, value }: { key: string; value: unknown }) => [key, value]),
      );
      expect(pairs).toEqual({ y: 3, z: 4, exec: 'nodejs:20', 'provide-api-key': false });
    });

    it('does not force provide-api-key on an action that asks for it', async () => {
      const { body } = await put('a', { annotations: [{ key: 'provide-api-key', value: true }] });
      expect(body.annotations).toContainEqual({ key: 'provide-api-key', value: true });
    });

    it('lists newest first with limit, skip and count', async () => {
      for (const name of ['a', 'b', 'c']) {
        await put(name);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      const { body } = await call('GET', `${ACTIONS}?limit=2&skip=0`);
      expect(body.map((action: { name: string }) => action.name)).toEqual(['c', 'b']);
      expect(Object.keys(body[0]).sort()).toEqual([
        'annotations',
        'exec',
        'limits',
        'name',
        'namespace',
        'publish',
        'updated',
        'version',
      ]);
      expect(body[0].exec).toEqual({ binary: false });
      expect((await call('GET', `${ACTIONS}?limit=0&skip=2`)).body).toHaveLength(1);
      expect((await call('GET', `${ACTIONS}?count=true`)).body).toEqual({ actions: 3 });
    });

    it('deletes and answers with what was deleted', async () => {
      await put('a');
      expect(await call('DELETE', `${ACTIONS}/a`)).toMatchObject({ status: 200, body: { name: 'a' } });
      expect((await call('GET', `${ACTIONS}/a`)).status).toBe(404);
      expect((await call('DELETE', `${ACTIONS}/a`)).status).toBe(404);
    });

    it('bad call: 409 without overwrite', async () => {
      await put('a');
      expect(await put('a')).toMatchObject({ status: 409, body: { error: 'resource already exists' } });
      expect((await put('a', {}, '?overwrite=true')).body.version).toBe('0.0.2');
    });

    it.each<[string, object, RegExp]>([
      [
        'an unknown kind, with the kinds there are',
        { exec: { kind: 'python:3', code: '' } },
        /python:3.*nodejs:20, nodejs:tetris/,
      ],
      ['a sequence', { exec: { kind: 'sequence', components: ['/_/a'] } }, /no sequences/],
      ['no code', { exec: { kind: 'nodejs:20' } }, /'code' must be a string/],
      ['no exec', { exec: undefined }, /exec undefined/],
      ['too little memory', { limits: { memory: 64 } }, /memory of 64 MB .* 128 to 4096/],
      ['too long a timeout', { limits: { timeout: 900_000 } }, /timeout of 900000 ms .* 100 to 300000/],
      ['a limit that is no number', { limits: { logs: 'x' } }, /limits.logs/],
      ['parameters that are no pairs', { parameters: { a: 1 } }, /parameters/],
      ['a bad version', { version: 'one' }, /version/],
    ])('bad call: 400 for %s', async (_what, body, text) => {
      const answer = await put('bad', body);
      expect(answer.status).toBe(400);
      expect(answer.body.error).toMatch(text);
    });

    it('bad call: 400 for JSON that is none, a bad name and bad query values', async () => {
      const malformed = await call('PUT', `${ACTIONS}/a`, '{"exec":');
      expect(malformed).toMatchObject({ status: 400, body: { error: expect.stringContaining('malformed') } });
      expect((await put(encodeURIComponent('no/slash$'))).status).toBe(400);
      expect((await call('GET', `${ACTIONS}?limit=201`)).body.error).toMatch(/limit.*201.*at most 200/);
      expect((await call('GET', `${ACTIONS}?limit=x`)).status).toBe(400);
      expect((await put('a', {}, '?overwrite=maybe')).body.error).toMatch(/overwrite.*maybe/);
    });

    it('bad call: 413 for code, parameters and bodies that are too large', async () => {
      const large = await put('a', { parameters: [{ key: 'p', value: 'x'.repeat(1024 ** 2) }] });
      expect(large).toMatchObject({ status: 413, body: { error: expect.stringContaining('parameters') } });
      const code = await put('a', { exec: { kind: 'nodejs:20', code: 'x'.repeat(48 * 1024 ** 2 + 1) } });
      expect(code).toMatchObject({ status: 413, body: { error: expect.stringContaining('code') } });
      const body = await call('PUT', `${ACTIONS}/a`, `"${'x'.repeat(50 * 1024 ** 2)}"`);
      expect(body).toMatchObject({ status: 413, body: { code: expect.any(String) } });
    });
  });

  describe('invoke', () => {
    beforeEach(() =>
      put('echo', {
        parameters: [
          { key: 'a', value: 1 },
          { key: 'b', value: 2, init: true },
        ],
      }),
    );

    it('answers 202 with the id at once when nobody waits', async () => {
      const { status, body, headers } = await call('POST', `${ACTIONS}/echo`, {});
      expect(status).toBe(202);
      expect(Object.keys(body)).toEqual(['activationId']);
      expect(headers['x-openwhisk-activation-id']).toBe(body.activationId);
    });

    it('answers 200 with the record, logs empty, parameters merged', async () => {
      const { status, body } = await call('POST', `${ACTIONS}/echo?blocking=true`, { b: 3, c: 4 });
      expect(status).toBe(200);
      expect(body).toMatchObject({
        name: 'echo',
        version: '0.0.1',
        logs: [],
        response: { status: 'success', success: true, size: 10, result: { a: 1, b: 3, c: 4 } },
      });
      expect(body.response.statusCode).toBeUndefined();
      const [message] = subject.invoker.received;
      expect(message).toMatchObject({
        blocking: true,
        initArgs: ['b'],
        lockedArgs: {},
        action: { path: 'guest', name: 'echo', version: '0.0.1' },
      });
      expect(message?.revision).toMatch(/^1-/);
      expect(message?.user.authkey).toEqual({ api_key: GUEST.key });
    });

    it('passes its request id on as the transid, with extra logging when asked', async () => {
      await call('POST', `${ACTIONS}/echo?blocking=true`, {}, { 'x-request-id': 'abc', 'x-ow-extra-logging': 'on' });
      expect(subject.invoker.received[0]?.transid).toEqual(['abc', expect.any(Number), true]);
    });

    it('answers with the result alone when asked', async () => {
      expect((await call('POST', `${ACTIONS}/echo?blocking=true&result=true`, {})).body).toEqual({ a: 1, b: 2 });
    });

    it('takes an empty body, and an array as body and as result', async () => {
      expect((await call('POST', `${ACTIONS}/echo?blocking=true&result=true`)).body).toEqual({ a: 1, b: 2 });
      expect((await call('POST', `${ACTIONS}/echo?blocking=true`, [1, 2])).body).toEqual([1, 2]);
    });

    it.each([
      [1, 502, 'application error'],
      [2, 502, 'action developer error'],
      [3, 500, 'whisk internal error'],
    ])('expected failure: status %i is answered with %i', async (statusCode, status, word) => {
      subject.behave({ statusCode, result: { error: 'because' } });
      // At once, because a system error may take the only invoker out of service.
      const queries = ['blocking=true', 'blocking=true&result=true'];
      const [whole, result] = await Promise.all(queries.map((query) => call('POST', `${ACTIONS}/echo?${query}`, {})));
      const response = { status: word, success: false, result: { error: 'because' } };
      expect(whole).toMatchObject({ status, body: { response } });
      expect(result).toMatchObject({ status, body: { error: 'because' } });
    });

    it('answers 202 when the wait is over, and the record can be had later', async () => {
      subject.behave({ delayMs: 200 });
      const { status, body } = await call('POST', `${ACTIONS}/echo?blocking=true&timeout=50`, {});
      expect(status).toBe(202);
      await until(async () => (await call('GET', `${ACTIVATIONS}/${body.activationId}`)).status === 200);
    });

    it('finds the record in the database when the ack was shrunk', async () => {
      subject.behave({ shrunk: true, result: { large: true } });
      const { status, body } = await call('POST', `${ACTIONS}/echo?blocking=true`, {});
      expect(status).toBe(200);
      expect(body.response.result).toEqual({ large: true });
    });

    it('expected failure: 500 for a result that cannot be shown alone', async () => {
      subject.behave({ result: null });
      expect((await call('POST', `${ACTIONS}/echo?blocking=true&result=true`, {})).status).toBe(500);
    });

    it('bad call: 404, 400 and 413', async () => {
      expect((await call('POST', `${ACTIONS}/none?blocking=true`, {})).status).toBe(404);
      expect((await call('POST', `${ACTIONS}/echo`, '"text"')).status).toBe(400);
      expect((await call('POST', `${ACTIONS}/echo`, '{"a":')).status).toBe(400);
      expect((await call('POST', `${ACTIONS}/echo?timeout=0`, {})).status).toBe(400);
      expect((await call('POST', `${ACTIONS}/echo?timeout=60001`, {})).status).toBe(400);
      const large = await call('POST', `${ACTIONS}/echo`, { a: 'x'.repeat(1024 ** 2) });
      expect(large).toMatchObject({ status: 413, body: { error: expect.stringContaining('payload') } });
    });

    it('bad call: refuses to override final parameters', async () => {
      await put('fixed', {
        parameters: [
          { key: 'a', value: 1 },
          { key: 'free', value: null },
        ],
        annotations: [{ key: 'final', value: true }],
      });
      const refused = await call('POST', `${ACTIONS}/fixed?blocking=true`, { a: 2 });
      expect(refused).toMatchObject({ status: 400, body: { error: expect.stringContaining('a') } });
      expect((await call('POST', `${ACTIONS}/fixed?blocking=true&result=true`, { free: 2 })).body).toEqual({
        a: 1,
        free: 2,
      });
    });
  });

  describe('activations', () => {
    const run = async (name: string): Promise<string> =>
      (await call('POST', `${ACTIONS}/${name}?blocking=true`, { n: 1 })).body.activationId;

    it('shows a record, its result and its logs', async () => {
      await put('echo');
      const id = await run('echo');
      expect((await call('GET', `${ACTIVATIONS}/${id}`)).body).toMatchObject({
        activationId: id,
        logs: [expect.stringContaining('hello')],
        response: { status: 'success', result: { n: 1 } },
      });
      expect((await call('GET', `${ACTIVATIONS}/${id}/result`)).body).toEqual({
        status: 'success',
        success: true,
        size: 10,
        result: { n: 1 },
      });
      expect((await call('GET', `${ACTIVATIONS}/${id}/logs`)).body).toEqual({
        logs: ['2026-01-01T00:00:00.250000000Z stdout: hello'],
      });
    });

    it('lists summaries newest first, by name, and whole records when asked', async () => {
      await put('a');
      await put('b');
      const ids = [await run('a'), await run('b')];
      const { body } = await call('GET', `${ACTIVATIONS}?limit=10`);
      expect(body.map((one: { activationId: string }) => one.activationId).sort()).toEqual([...ids].sort());
      expect(body[0]).toMatchObject({ statusCode: 0, namespace: 'guest' });
      expect(body[0].response).toBeUndefined();
      expect((await call('GET', `${ACTIVATIONS}?name=a&docs=true`)).body).toMatchObject([
        { activationId: ids[0], response: { success: true } },
      ]);
      expect((await call('GET', `${ACTIVATIONS}?count=true`)).body).toEqual({ activations: 2 });
      expect((await call('GET', `${ACTIVATIONS}?since=${Date.now() + 10_000}`)).body).toEqual([]);
    });

    it('bad call: 404 for an unknown id, 400 for what is none', async () => {
      expect((await call('GET', `${ACTIVATIONS}/${'0'.repeat(32)}`)).status).toBe(404);
      expect((await call('GET', `${ACTIVATIONS}/xyz`)).status).toBe(400);
      expect((await call('GET', `${ACTIVATIONS}?since=yesterday`)).status).toBe(400);
    });

    it('keeps the records of two subjects apart', async () => {
      await put('echo');
      const id = await run('echo');
      const other = { authorization: basic(OTHER.key) };
      expect((await call('GET', `${ACTIVATIONS}/${id}`, undefined, other)).status).toBe(404);
      expect((await call('GET', `${ACTIONS}/echo`, undefined, other)).status).toBe(404);
    });
  });
});

describe('REST surface under limits', () => {
  afterEach(() => subject.stop());

  it('expected failure: 503 without a healthy invoker', async () => {
    subject = await platform();
    await put('echo');
    expect(await call('POST', `${ACTIONS}/echo?blocking=true`, {})).toMatchObject({
      status: 503,
      body: { error: expect.stringMatching(/invoker/) },
    });
  });

  it('bad call: 429 past the invocations of a minute', async () => {
    subject = await platform({}, { guest: { invocationsPerMinute: 2 } });
    await subject.start();
    await put('echo');
    const statuses: number[] = [];
    for (let count = 0; count < 6; count += 1) statuses.push((await call('POST', `${ACTIONS}/echo`, {})).status);
    // A minute may begin in between: the count then starts anew once.
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(2);
    expect(statuses.slice(0, 2)).toEqual([202, 202]);
  });

  it('bad call: 429 past the concurrent invocations', async () => {
    subject = await platform({ concurrentInvocations: 2 });
    await subject.start();
    await put('echo');
    subject.behave({ delayMs: 300 });
    const statuses = (await Promise.all([1, 2, 3].map(() => call('POST', `${ACTIONS}/echo`, {})))).map(
      ({ status }) => status,
    );
    expect(statuses.sort()).toEqual([202, 202, 429]);
    await until(() => subject.balancer.books().inFlight === 0);
    expect((await call('POST', `${ACTIONS}/echo`, {})).status).toBe(202);
  });

  it('bad call: 403 for a kind that the namespace may not use, and its own memory range', async () => {
    subject = await platform({}, { guest: { allowedKinds: ['nodejs:tetris'], maxActionMemory: 256 } });
    expect(await put('echo')).toMatchObject({ status: 403, body: { error: expect.stringContaining('nodejs:20') } });
    const large = await put('echo', { exec: { kind: 'nodejs:tetris', code: CODE }, limits: { memory: 512 } });
    expect(large).toMatchObject({ status: 400, body: { error: expect.stringContaining('128 to 256') } });
  });
});
