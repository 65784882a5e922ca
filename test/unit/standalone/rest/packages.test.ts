import { SYSTEM } from '../../../../standalone/src/controller/identities';
import { ACTIONS, type Answer, basic, CODE, OTHER, type RestPlatform, restPlatform } from './rest-platform';

const PACKAGES = '/api/v1/namespaces/_/packages';
const pair = (key: string, value: unknown): object => ({ key, value });
const other = { authorization: basic(OTHER.key) };

let subject: RestPlatform;
const call: RestPlatform['call'] = (...args) => subject.call(...args);
const putPackage = (name: string, body: object = {}, query = '', headers = {}): Promise<Answer> =>
  call('PUT', `${PACKAGES}/${name}${query}`, body, headers);
const putAction = (name: string, body: object = {}, query = '', headers = {}): Promise<Answer> =>
  call('PUT', `${ACTIONS}/${name}${query}`, { exec: { kind: 'nodejs:20', code: CODE }, ...body }, headers);
const invoke = (name: string, body = {}, headers = {}): Promise<Answer> =>
  call('POST', `${ACTIONS}/${name}?blocking=true&result=true`, body, headers);

beforeEach(async () => {
  subject = await restPlatform();
  await subject.start();
});
afterEach(() => subject.stop());

describe('packages', () => {
  it('are stored, updated field by field, and shown with what is in them', async () => {
    const created = await putPackage('vision', { parameters: [pair('topk', 5)], annotations: [pair('a', 1)] });
    expect(created).toMatchObject({ status: 200 });
    expect(created.body).toEqual({
      ...{ namespace: 'guest', name: 'vision', version: '0.0.1', publish: false, binding: {} },
      ...{ parameters: [pair('topk', 5)], annotations: [pair('a', 1)], updated: expect.any(Number) },
    });
    expect(await putPackage('vision')).toMatchObject({ status: 409, body: { error: 'resource already exists' } });
    expect((await putPackage('vision', { publish: true }, '?overwrite=true')).body).toMatchObject({
      ...{ version: '0.0.2', publish: true, parameters: [pair('topk', 5)] },
    });
    await putAction('vision/classify');
    await putAction('vision/watch', { annotations: [pair('feed', true)] });
    const { body } = await call('GET', `${PACKAGES}/vision`);
    expect(body).toMatchObject({ actions: [{ name: 'classify', version: '0.0.1' }], feeds: [{ name: 'watch' }] });
    expect(Object.keys(body.actions[0]).sort()).toEqual(['annotations', 'name', 'version']);
  });

  it('are listed as summaries that tell bindings', async () => {
    await putPackage('vision');
    await putPackage('eyes', { binding: { namespace: '_', name: 'vision' } });
    const { body } = await call('GET', PACKAGES);
    const summary = { namespace: 'guest', version: '0.0.1', publish: false, updated: expect.any(Number) };
    const binding = { namespace: 'guest', name: 'vision' };
    expect(body.sort((a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1))).toEqual([
      { ...summary, name: 'eyes', binding, annotations: [pair('binding', binding)] },
      { ...summary, name: 'vision', binding: false, annotations: [] },
    ]);
    expect((await call('GET', `${PACKAGES}?count=true&skip=1`)).body).toEqual({ packages: 1 });
  });

  it('are deleted when they are empty, or by force with everything in them', async () => {
    await putPackage('vision');
    for (const name of ['a', 'b']) await putAction(`vision/${name}`);
    expect(await call('DELETE', `${PACKAGES}/vision`)).toMatchObject({
      status: 409,
      body: { error: 'Package not empty (contains 2 entities). Set force param or delete package contents.' },
    });
    await call('DELETE', `${ACTIONS}/vision/b`);
    expect((await call('DELETE', `${PACKAGES}/vision`)).body.error).toMatch(/contains 1 entity\)/);
    expect(await call('DELETE', `${PACKAGES}/vision?force=true`)).toMatchObject({
      status: 200,
      body: { name: 'vision' },
    });
    expect((await call('GET', `${ACTIONS}?count=true`)).body).toEqual({ actions: 0 });
    expect(await call('GET', `${PACKAGES}/vision`)).toMatchObject({
      status: 404,
      body: { error: "The requested resource 'guest/vision' does not exist." },
    });
  });

  it('give their parameters to their actions, a binding its own on top, and the action wins', async () => {
    await putPackage('vision', { parameters: [pair('a', 'package'), pair('b', 'package'), pair('c', 'package')] });
    const binding = { namespace: 'guest', name: 'vision' };
    await putPackage('eyes', { binding, parameters: [pair('b', 'binding'), pair('c', 'binding')] });
    await putAction('vision/classify', { parameters: [pair('c', 'action')] });
    expect((await invoke('vision/classify')).body).toEqual({ a: 'package', b: 'package', c: 'action' });
    expect((await invoke('eyes/classify', { a: 'payload' })).body).toEqual({ a: 'payload', b: 'binding', c: 'action' });
    const shown = await call('GET', `${ACTIONS}/eyes/classify`);
    expect(shown.body).toMatchObject({ namespace: 'guest/vision', name: 'classify' });
    expect(shown.body.parameters).toEqual([pair('a', 'package'), pair('b', 'binding'), pair('c', 'action')]);
    expect(subject.invoker.received.map(({ action }) => action)).toEqual([
      { path: 'guest/vision', name: 'classify', version: '0.0.1' },
      { path: 'guest/vision', name: 'classify', version: '0.0.1', binding: 'guest/eyes' },
    ]);
    const merged = await call('GET', `${PACKAGES}/eyes`);
    expect(merged.body).toMatchObject({
      ...{ name: 'eyes', binding, actions: [{ name: 'classify' }] },
      parameters: [pair('a', 'package'), pair('b', 'binding'), pair('c', 'binding')],
    });
    for (const name of ['vision', 'eyes']) {
      expect((await call('GET', `${ACTIONS}/${name}/`)).body).toMatchObject([{ namespace: 'guest/vision' }]);
    }
  });

  it('are for others where they are published, to read, to run and to bind, but not to change', async () => {
    await putPackage('open', { publish: true, parameters: [pair('secret', 1)] });
    await putPackage('closed');
    for (const name of ['open', 'closed']) await putAction(`${name}/echo`);
    const of = (path: string): string => `/api/v1/namespaces/guest/${path}`;
    expect((await call('GET', of('packages'), undefined, other)).body).toMatchObject([{ name: 'open' }]);
    expect((await call('GET', of('packages?count=true'), undefined, other)).body).toEqual({ packages: 1 });
    expect((await call('GET', of('packages/open'), undefined, other)).status).toBe(200);
    const run = await call('POST', `${of('actions/open/echo')}?blocking=true&result=true`, { n: 1 }, other);
    expect(run).toMatchObject({ status: 200, body: { secret: 1, n: 1 } });
    expect(subject.invoker.received[0]?.user.namespace.name).toBe('other');
    const refused = { status: 403, body: { error: expect.stringContaining("not authorized to access 'guest/") } };
    for (const path of ['packages/closed', 'packages/none', 'actions/closed/echo', 'actions/closed/', 'actions/echo']) {
      expect(await call('GET', of(path), undefined, other)).toMatchObject(refused);
    }
    expect(await call('PUT', of('packages/open?overwrite=true'), {}, other)).toMatchObject(refused);
    expect(await call('DELETE', of('actions/open/echo'), undefined, other)).toMatchObject(refused);
    const binding = { namespace: 'guest', name: 'open' };
    expect((await putPackage('mine', { binding }, '', other)).status).toBe(200);
    expect((await invoke('mine/echo', { n: 2 }, other)).body).toEqual({ secret: 1, n: 2 });
    await putPackage('open', { publish: false }, '?overwrite=true');
    expect(await invoke('mine/echo', {}, other)).toMatchObject({ status: 403 });
  });

  it('let the system own what everybody may use', async () => {
    const system = { authorization: basic(SYSTEM.key) };
    await putPackage('tools', { publish: true }, '', system);
    await putAction('tools/echo', {}, '', system);
    const url = '/api/v1/namespaces/whisk.system/actions/tools/echo?blocking=true&result=true';
    expect((await call('POST', url, { n: 1 })).body).toEqual({ n: 1 });
  });

  describe('bad calls', () => {
    it.each<[string, object, number, RegExp]>([
      ['what is not there', { namespace: '_', name: 'none' }, 400, /^Binding references a package that does not exist/],
      ['another binding', { namespace: '_', name: 'eyes' }, 400, /^Cannot bind to another package binding/],
      ['an action', { namespace: '_', name: 'action' }, 409, /^Cannot bind to a resource that is not a package/],
      ['what others keep', { namespace: 'other', name: 'secret' }, 403, /not authorized to access 'other\/secret'/],
    ])('refuse to bind %s', async (_what, binding, status, text) => {
      await putPackage('vision');
      await putPackage('eyes', { binding: { namespace: 'guest', name: 'vision' } });
      await putAction('action');
      await putPackage('secret', {}, '', other);
      expect(await putPackage('new', { binding })).toMatchObject({
        status,
        body: { error: expect.stringMatching(text) },
      });
    });

    it('refuse a reserved name, a package that becomes a binding, and changes behind a binding', async () => {
      expect((await putPackage('default')).body.error).toBe("Package name 'default' is reserved.");
      await putPackage('vision');
      const binding = { namespace: 'guest', name: 'vision' };
      await putPackage('eyes', { binding });
      expect(await putPackage('vision', { binding }, '?overwrite=true')).toMatchObject({
        status: 409,
        body: { error: 'Resource is a package and cannot be converted into a binding.' },
      });
      const behind = { status: 400, body: { error: 'Operation not permitted on package binding.' } };
      expect(await putAction('eyes/new')).toMatchObject(behind);
      expect(await call('DELETE', `${ACTIONS}/eyes/new`)).toMatchObject(behind);
    });

    it('tell entities of different types apart', async () => {
      await putAction('action');
      await putPackage('vision');
      const error = 'Resource by this name exists but is not in this collection.';
      expect(await call('GET', `${PACKAGES}/action`)).toMatchObject({ status: 409, body: { error } });
      expect(await putPackage('action')).toMatchObject({ status: 409, body: { error } });
      expect(await call('GET', `${ACTIONS}/vision`)).toMatchObject({ status: 409, body: { error } });
      expect(await putAction('none/classify')).toMatchObject({ status: 404 });
      expect(await call('POST', `${PACKAGES}/vision`, {})).toMatchObject({
        status: 405,
        body: { error: 'HTTP method not allowed, supported methods: GET, PUT, DELETE' },
      });
    });
  });
});
