import { GUEST } from '../../../../standalone/src/controller/identities';
import { until } from '../../../support/until';
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

let subject: RestPlatform;
const call: typeof subject.call = (...args) => subject.call(...args);
const put = (name: string, body: object = {}, query = ''): Promise<Answer> =>
  call('PUT', `${ACTIONS}/${name}${query}`, { exec: { kind: 'nodejs:20', code: CODE }, ...body });

describe('REST surface', () => {
  beforeEach(async () => {
    subject = await restPlatform();
    await subject.start();
  });
  afterEach(() => subject.stop());

  describe('without a key', () => {
    const open = (url: string): Promise<Answer> => call('GET', url, undefined, { authorization: '' });

    it('says what the platform is', async () => {
      const { status, body, headers } = await open('/');
      expect(status).toBe(200);
      expect(headers['content-type']).toBe('application/json');
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

  it.each(['packages', 'triggers', 'rules', 'actions', 'activations'])(
    'lists %s with limit, skip and count, also after a slash, and refuses other methods',
    async (collection) => {
      const url = `/api/v1/namespaces/_/${collection}`;
      expect(await call('GET', url)).toMatchObject({ status: 200, body: [] });
      expect(await call('GET', `${url}/?limit=0&skip=0`)).toMatchObject({ status: 200, body: [] });
      expect((await call('GET', `${url}?count=true`)).body).toEqual({ [collection]: 0 });
      expect(await call('GET', `${url}?skip=-1`)).toMatchObject({
        status: 400,
        body: { error: expect.stringContaining(`'-1' is not greater than or equal to 0 for ${collection}`) },
      });
      expect(await call('POST', url, {})).toMatchObject({
        status: 405,
        body: { error: 'HTTP method not allowed, supported methods: GET' },
        headers: { allow: 'GET' },
      });
    },
  );

  it('names everything in a namespace at once', async () => {
    await put('a');
    await call('PUT', '/api/v1/namespaces/_/packages/p', {});
    const { body } = await call('GET', '/api/v1/namespaces/guest');
    expect(body).toMatchObject({ actions: [{ name: 'a' }], packages: [{ name: 'p' }], triggers: [], rules: [] });
    expect((await call('GET', '/api/v1/namespaces/other')).status).toBe(403);
  });

  it('tells browsers that anybody may call, with every answer and before', async () => {
    const allowed = {
      'access-control-allow-origin': '*',
      'access-control-allow-methods': 'GET, DELETE, POST, PUT, HEAD',
      'access-control-allow-headers': 'Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent',
    };
    expect(await call('OPTIONS', ACTIONS, undefined, { authorization: '' })).toMatchObject({
      status: 200,
      headers: allowed,
    });
    expect(await call('GET', ACTIONS)).toMatchObject({ status: 200, headers: allowed });
    expect(await call('GET', ACTIONS, undefined, { authorization: '' })).toMatchObject({
      status: 401,
      headers: allowed,
    });
    expect(await call('GET', '/api/v1')).toMatchObject({ status: 200, headers: allowed });
  });

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
        /python:3.*'nodejs:20', 'nodejs:tetris', 'sequence'/,
      ],
      ['a Docker image', { exec: { kind: 'blackbox', image: 'x/y' } }, /no Docker images.*nodejs:20, nodejs:tetris/],
      ['a sequence of nothing', { exec: { kind: 'sequence', components: [] } }, /^No component specified/],
      ['a sequence without components', { exec: { kind: 'sequence' } }, /'components' must be defined/],
      ['a component that is no name', { exec: { kind: 'sequence', components: ['a$'] } }, /name malformed/],
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
      expect((await call('GET', `${ACTIONS}?limit=201`)).body.error).toMatch(
        /'limit'[^]*'201' is not in the range of 0 to 200 for actions/,
      );
      expect((await call('GET', `${ACTIONS}?limit=x`)).status).toBe(400);
      expect((await put('a', {}, '?overwrite=maybe')).body.error).toMatch(/overwrite[^]*maybe/);
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

    it('answers when the record can be read, and within a bound where it is not stored in time', async () => {
      subject.behave({ completionDelayMs: 100 });
      const { body } = await call('POST', `${ACTIONS}/echo?blocking=true`, {});
      expect((await call('GET', `${ACTIVATIONS}/${body.activationId}`)).status).toBe(200);
      await subject.stop();
      subject = await restPlatform({ recordWaitMs: 20 });
      await subject.start();
      await put('echo');
      subject.behave({ completionDelayMs: 1_000 });
      const early = await call('POST', `${ACTIONS}/echo?blocking=true`, {});
      expect(early.status).toBe(200);
      expect((await call('GET', `${ACTIVATIONS}/${early.body.activationId}`)).status).toBe(404);
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
      expect(large).toMatchObject({
        status: 413,
        body: { error: expect.stringMatching(/^Request larger than allowed: \d+ > 1048576 bytes/) },
      });
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
    subject = await restPlatform();
    await put('echo');
    expect(await call('POST', `${ACTIONS}/echo?blocking=true`, {})).toMatchObject({
      status: 503,
      body: { error: expect.stringMatching(/invoker/) },
    });
  });

  it('bad call: 429 past the invocations of a minute', async () => {
    subject = await restPlatform({}, { guest: { invocationsPerMinute: 2 } });
    await subject.start();
    await put('echo');
    const statuses: number[] = [];
    for (let count = 0; count < 6; count += 1) statuses.push((await call('POST', `${ACTIONS}/echo`, {})).status);
    // A minute may begin in between: the count then starts anew once.
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(2);
    expect(statuses.slice(0, 2)).toEqual([202, 202]);
  });

  it('bad call: 429 past the concurrent invocations', async () => {
    subject = await restPlatform({ concurrentInvocations: 2 });
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
    subject = await restPlatform({}, { guest: { allowedKinds: ['nodejs:tetris'], maxActionMemory: 256 } });
    expect(await put('echo')).toMatchObject({ status: 403, body: { error: expect.stringContaining('nodejs:20') } });
    const large = await put('echo', { exec: { kind: 'nodejs:tetris', code: CODE }, limits: { memory: 512 } });
    expect(large).toMatchObject({ status: 400, body: { error: expect.stringContaining('128 to 256') } });
  });
});
