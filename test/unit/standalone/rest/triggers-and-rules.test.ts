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

const TRIGGERS = '/api/v1/namespaces/_/triggers';
const RULES = '/api/v1/namespaces/_/rules';
const pair = (key: string, value: unknown): object => ({ key, value });
const other = { authorization: basic(OTHER.key) };

let subject: RestPlatform;
const call: RestPlatform['call'] = (...args) => subject.call(...args);
const putTrigger = (name: string, body: object = {}, query = ''): Promise<Answer> =>
  call('PUT', `${TRIGGERS}/${name}${query}`, body);
const putAction = (name: string, body: object = {}): Promise<Answer> =>
  call('PUT', `${ACTIONS}/${name}`, { exec: { kind: 'nodejs:20', code: CODE }, ...body });
const putRule = (name: string, body: object, query = ''): Promise<Answer> =>
  call('PUT', `${RULES}/${name}${query}`, body);
const setStatus = (name: string, status: unknown): Promise<Answer> => call('POST', `${RULES}/${name}`, { status });
const statusOf = async (name: string): Promise<unknown> => (await call('GET', `${RULES}/${name}`)).body.status;

async function start(...args: Parameters<typeof restPlatform>): Promise<void> {
  subject = await restPlatform(...args);
  await subject.start();
  await putAction('echo');
  await putTrigger('arrived', { parameters: [pair('own', 1), pair('both', 'trigger')] });
}
afterEach(() => subject.stop());

describe('triggers', () => {
  it('are stored, updated, listed and deleted', async () => {
    await start();
    const created = await putTrigger('left', { annotations: [pair('feed', '/whisk.system/alarms/alarm')] });
    expect(created.body).toEqual({
      ...{ namespace: 'guest', name: 'left', version: '0.0.1', publish: false, parameters: [], limits: {} },
      ...{ annotations: [pair('feed', '/whisk.system/alarms/alarm')], updated: expect.any(Number) },
    });
    expect(await putTrigger('left')).toMatchObject({ status: 409, body: { error: 'resource already exists' } });
    expect((await putTrigger('left', { publish: true }, '?overwrite=true')).body).toMatchObject({ version: '0.0.2' });
    const { body } = await call('GET', `${TRIGGERS}?limit=1`);
    expect(body).toHaveLength(1);
    expect(Object.keys(body[0]).sort()).toEqual(['annotations', 'name', 'namespace', 'publish', 'updated', 'version']);
    expect(await call('DELETE', `${TRIGGERS}/left`)).toMatchObject({ status: 200, body: { name: 'left' } });
    expect((await call('GET', `${TRIGGERS}/left`)).status).toBe(404);
  });

  it('fire their active rules with parameters, headers and body, and keep a record that tells how it went', async () => {
    await start();
    await putAction('final', { parameters: [pair('both', 'mine')], annotations: [pair('final', true)] });
    await putAction('idle');
    for (const name of ['echo', 'final', 'idle'])
      await putRule(`on-${name}`, { trigger: '/_/arrived', action: `/_/${name}` });
    await setStatus('on-idle', 'inactive');
    const fired = await call('POST', `${TRIGGERS}/arrived`, { both: 'body', sent: 2 }, { 'x-note': 'hi' });
    const { activationId } = fired.body;
    expect(fired).toMatchObject({ status: 202, headers: { 'x-openwhisk-activation-id': activationId } });
    expect(subject.invoker.received).toMatchObject([
      { blocking: false, content: { own: 1, both: 'body', sent: 2, __ow_headers: { 'x-note': 'hi' } } },
    ]);
    const { body: record } = await call('GET', `${ACTIVATIONS}/${activationId}`);
    expect(record).toMatchObject({
      ...{ namespace: 'guest', name: 'arrived', version: '0.0.1', subject: 'guest', annotations: [] },
      response: { status: 'success', success: true, result: { both: 'body', sent: 2 } },
    });
    expect(record).not.toHaveProperty('end');
    const results = record.logs.map((line: string) => JSON.parse(line));
    const id = subject.invoker.received[0]?.activationId;
    expect(results).toEqual([
      { rule: 'guest/on-echo', action: 'guest/echo', statusCode: 0, success: true, activationId: id },
      {
        ...{ rule: 'guest/on-final', action: 'guest/final', statusCode: 1, success: false },
        error: 'Request defines parameters that are not allowed (e.g., reserved properties).',
      },
      {
        ...{ rule: 'guest/on-idle', action: 'guest/idle', statusCode: 1, success: false },
        error: "Rule 'guest/on-idle' is inactive, action 'guest/idle' was not activated.",
      },
    ]);
    const [summary] = (await call('GET', `${ACTIVATIONS}?name=arrived`)).body;
    expect(summary).toMatchObject({ activationId });
    for (const field of ['end', 'duration', 'statusCode', 'response']) expect(summary).not.toHaveProperty(field);
  });

  it('tell in the record of an action that is gone by now', async () => {
    await start();
    await putRule('r', { trigger: 'guest/arrived', action: 'guest/echo' });
    await call('DELETE', `${ACTIONS}/echo`);
    const { body } = await call('POST', `${TRIGGERS}/arrived`);
    const { logs } = (await call('GET', `${ACTIVATIONS}/${body.activationId}/logs`)).body;
    expect(JSON.parse(logs[0])).toMatchObject({ statusCode: 1, error: 'The requested resource does not exist.' });
  });

  it('answer 204 and keep nothing where no rule is active', async () => {
    await start();
    expect(await call('POST', `${TRIGGERS}/arrived`, {})).toMatchObject({ status: 204, body: '' });
    await putRule('r', { trigger: 'guest/arrived', action: 'guest/echo' });
    await setStatus('r', 'inactive');
    expect((await call('POST', `${TRIGGERS}/arrived`, {})).status).toBe(204);
    expect((await call('GET', `${ACTIVATIONS}?count=true`)).body).toEqual({ activations: 0 });
  });

  it('bad call: 400 for a feed that is no name and a body that is no object, 403 in others, 404 for none', async () => {
    await start();
    const feed = await putTrigger('x', { annotations: [pair('feed', 'no$name')] });
    expect(feed).toMatchObject({ status: 400, body: { error: 'Feed name is not valid' } });
    expect((await call('POST', `${TRIGGERS}/arrived`, [1])).status).toBe(400);
    expect((await call('POST', `${TRIGGERS}/none`, {})).status).toBe(404);
    const foreign = await call('POST', '/api/v1/namespaces/guest/triggers/arrived', {}, other);
    expect(foreign).toMatchObject({ status: 403, body: { error: expect.stringContaining("'guest/arrived'") } });
  });

  it('bad call: 429 past the fires of a minute', async () => {
    await start({}, { guest: { firesPerMinute: 2 } });
    const statuses: number[] = [];
    for (let count = 0; count < 6; count += 1) statuses.push((await call('POST', `${TRIGGERS}/arrived`, {})).status);
    // A minute may begin in between: the count then starts anew once.
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(2);
    expect((await call('GET', '/api/v1/namespaces/_/limits')).body.firesPerMinute).toBe(2);
  });
});

describe('rules', () => {
  it('are stored with their status, which the trigger keeps', async () => {
    await start();
    const created = await putRule('r', { trigger: '/guest/arrived', action: { path: '_', name: 'echo' } });
    expect(created.body).toEqual({
      ...{ namespace: 'guest', name: 'r', version: '0.0.1', publish: false, annotations: [], status: 'active' },
      ...{ trigger: { path: 'guest', name: 'arrived' }, action: { path: 'guest', name: 'echo' } },
      updated: expect.any(Number),
    });
    expect((await call('GET', `${TRIGGERS}/arrived`)).body.rules).toEqual({
      'guest/r': { action: { path: 'guest', name: 'echo' }, status: 'active' },
    });
    const [listed] = (await call('GET', RULES)).body;
    expect(listed).toMatchObject({ name: 'r', trigger: { name: 'arrived' } });
    expect(listed).not.toHaveProperty('status');
  });

  it('are disabled and enabled, again without effect', async () => {
    await start();
    await putRule('r', { trigger: '/_/arrived', action: '/_/echo' });
    for (const status of ['inactive', 'inactive', 'active', 'active']) {
      expect(await setStatus('r', status)).toMatchObject({ status: 200, body: 'OK' });
      expect(await statusOf('r')).toBe(status);
    }
  });

  it('keep their status on update, also under another trigger, which takes them over', async () => {
    await start();
    await putTrigger('left');
    await putAction('second');
    await putRule('r', { trigger: '/_/arrived', action: '/_/echo' });
    await setStatus('r', 'inactive');
    const updated = await putRule('r', { trigger: '/_/left', action: '/_/second' }, '?overwrite=true');
    expect(updated.body).toMatchObject({ version: '0.0.2', status: 'inactive', action: { name: 'second' } });
    expect((await call('GET', `${TRIGGERS}/arrived`)).body.rules).toEqual({});
    expect((await call('GET', `${TRIGGERS}/left`)).body.rules).toMatchObject({ 'guest/r': { status: 'inactive' } });
    expect((await putRule('r', {}, '?overwrite=true')).body).toMatchObject({ trigger: { name: 'left' } });
  });

  it('leave their trigger when they are deleted, and are inactive when the trigger is', async () => {
    await start();
    await putRule('r', { trigger: '/_/arrived', action: '/_/echo' });
    await putRule('s', { trigger: '/_/arrived', action: '/_/echo' });
    expect(await call('DELETE', `${RULES}/r`)).toMatchObject({ status: 200, body: { name: 'r', status: 'inactive' } });
    expect(Object.keys((await call('GET', `${TRIGGERS}/arrived`)).body.rules)).toEqual(['guest/s']);
    await call('DELETE', `${TRIGGERS}/arrived`);
    expect(await statusOf('s')).toBe('inactive');
    expect((await setStatus('s', 'inactive')).status).toBe(200);
    expect(await setStatus('s', 'active')).toMatchObject({
      status: 404,
      body: { error: 'Only rules with existing triggers can be activated' },
    });
    expect((await call('DELETE', `${RULES}/s`)).status).toBe(200);
  });

  it.each<[string, object, number, RegExp]>([
    ['without a trigger', { action: '/_/echo' }, 400, /^rule requires a valid trigger and a valid action/],
    [
      'of a trigger that is not there',
      { trigger: '/_/x', action: '/_/echo' },
      400,
      /^trigger \/guest\/x does not exist/,
    ],
    ['of an action that is not there', { trigger: '/_/arrived', action: '/_/x' }, 400, /^action \/guest\/x does not/],
    ['with a name that is none', { trigger: 'arrived', action: '/_/echo' }, 400, /name malformed/],
    ["of another's trigger", { trigger: '/other/x', action: '/_/echo' }, 403, /'other\/x'/],
    ["of another's action", { trigger: '/_/arrived', action: '/other/x' }, 403, /'other\/x'/],
  ])('bad call: refuses a rule %s', async (_what, body, status, text) => {
    await start();
    expect(await putRule('r', body)).toMatchObject({ status, body: { error: expect.stringMatching(text) } });
  });

  it('bad call: refuses a status that is none', async () => {
    await start();
    await putRule('r', { trigger: '/_/arrived', action: '/_/echo' });
    for (const status of ['on', 1, undefined]) {
      expect(await setStatus('r', status)).toMatchObject({
        status: 400,
        body: { error: expect.stringMatching(/not a recognized rule state/) },
      });
    }
  });
});
